import { BinaryReader } from '@bufbuild/protobuf/wire';

/*
 * BuildKit's progress (moby.buildkit.v1.StatusResponse, api/services/control/control.proto), as it comes in the
 * `moby.buildkit.trace` lines of a build.
 */

export interface TraceVertex {
  readonly digest: string;
  readonly name: string;
  readonly cached: boolean;
  /** milliseconds since the epoch */
  readonly started?: number;
  readonly completed?: number;
  readonly error: string;
}

/** How far a part of a step is: a layer that is pulled, the context that is sent. */
export interface TraceStatus {
  readonly id: string;
  readonly vertex: string;
  readonly current: number;
  /** 0 when it is not known */
  readonly total: number;
  readonly completed?: number;
}

export interface TraceLog {
  readonly vertex: string;
  readonly text: Uint8Array;
}

export interface Trace {
  readonly vertices: readonly TraceVertex[];
  readonly statuses: readonly TraceStatus[];
  readonly logs: readonly TraceLog[];
  /** One line each. */
  readonly warnings: readonly string[];
}

/** @throws RangeError for bytes that are no such message */
export function decodeTrace(bytes: Uint8Array): Trace {
  const vertices: TraceVertex[] = [];
  const statuses: TraceStatus[] = [];
  const logs: TraceLog[] = [];
  const warnings: string[] = [];
  eachField(new BinaryReader(bytes), (field, reader) => {
    if (field === 1) vertices.push(decodeVertex(reader.bytes()));
    else if (field === 2) statuses.push(decodeStatus(reader.bytes()));
    else if (field === 3) logs.push(decodeLog(reader.bytes()));
    else if (field === 4) warnings.push(decodeWarning(reader.bytes()));
    else return false;
    return true;
  });
  return { vertices, statuses, logs, warnings };
}

function decodeVertex(bytes: Uint8Array): TraceVertex {
  let [digest, name, error] = ['', '', ''];
  let cached = false;
  let started: number | undefined;
  let completed: number | undefined;
  eachField(new BinaryReader(bytes), (field, reader) => {
    if (field === 1) digest = reader.string();
    else if (field === 3) name = reader.string();
    else if (field === 4) cached = reader.bool();
    else if (field === 5) started = decodeTime(reader.bytes());
    else if (field === 6) completed = decodeTime(reader.bytes());
    else if (field === 7) error = reader.string();
    else return false;
    return true;
  });
  return {
    ...{ digest, name, cached, error },
    ...(started === undefined ? {} : { started }),
    ...(completed === undefined ? {} : { completed }),
  };
}

function decodeStatus(bytes: Uint8Array): TraceStatus {
  let [id, vertex, name] = ['', '', ''];
  let [current, total] = [0, 0];
  let completed: number | undefined;
  eachField(new BinaryReader(bytes), (field, reader) => {
    if (field === 1) id = reader.string();
    else if (field === 2) vertex = reader.string();
    else if (field === 3) name = reader.string();
    else if (field === 4) current = Number(reader.int64());
    else if (field === 5) total = Number(reader.int64());
    else if (field === 8) completed = decodeTime(reader.bytes());
    else return false;
    return true;
  });
  return {
    ...{ id: id === '' ? name : id, vertex, current, total },
    ...(completed === undefined ? {} : { completed }),
  };
}

function decodeLog(bytes: Uint8Array): TraceLog {
  let vertex = '';
  let text: Uint8Array = new Uint8Array();
  eachField(new BinaryReader(bytes), (field, reader) => {
    if (field === 1) vertex = reader.string();
    else if (field === 4) text = reader.bytes();
    else return false;
    return true;
  });
  return { vertex, text };
}

function decodeWarning(bytes: Uint8Array): string {
  let short = '';
  eachField(new BinaryReader(bytes), (field, reader) => {
    if (field !== 3) return false;
    short = Buffer.from(reader.bytes()).toString('utf8');
    return true;
  });
  return short;
}

/** google.protobuf.Timestamp */
function decodeTime(bytes: Uint8Array): number {
  let [seconds, nanos] = [0, 0];
  eachField(new BinaryReader(bytes), (field, reader) => {
    if (field === 1) seconds = Number(reader.int64());
    else if (field === 2) nanos = reader.int32();
    else return false;
    return true;
  });
  return seconds * 1000 + nanos / 1e6;
}

/** @param read answers whether it took the field; what it did not take is skipped */
function eachField(reader: BinaryReader, read: (field: number, reader: BinaryReader) => boolean): void {
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (!read(field, reader)) reader.skip(wireType);
  }
}
