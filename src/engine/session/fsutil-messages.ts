import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

/*
 * The messages of BuildKit's file transfer (tonistiigi/fsutil, types/wire.proto and types/stat.proto), as far as a
 * sender needs them.
 */

const TYPES = ['stat', 'request', 'data', 'end', 'error'] as const;

/** What the engine sends. */
export interface ReceivedPacket {
  /** undefined for one that this protocol does not have */
  readonly type: (typeof TYPES)[number] | undefined;
  /** The place of a file in the order of the stats, from 0. */
  readonly id: number;
  readonly data: Uint8Array;
}

/** A file as it is told to the engine. */
export interface FileStat {
  /** below the root, with `/` */
  readonly path: string;
  /** as Go's os.FileMode */
  readonly mode: number;
  /**
   * bytes, as lstat has them, of links too; 0 for a folder. The engine compares it with what it kept: of a hard link that
   * seems changed it makes a new one beside the old, and rename(2) leaves both where they are names of one file.
   */
  readonly size: number;
  /** nanoseconds since the epoch; told is `nearestTime` */
  readonly modified: bigint;
  /** a symbolic link's target; of a hard link, the path under which its content was told first */
  readonly linkname?: string;
  readonly device?: { readonly major: number; readonly minor: number };
}

export function decodePacket(bytes: Uint8Array): ReceivedPacket {
  const reader = new BinaryReader(bytes);
  let type = 0;
  let id = 0;
  let data: Uint8Array = new Uint8Array();
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1) type = reader.int32();
    else if (field === 3) id = reader.uint32();
    else if (field === 4) data = reader.bytes();
    else reader.skip(wireType);
  }
  return { type: TYPES[type], id, data };
}

/** Everything has been told: a stat packet without a stat. */
export const END_OF_STATS = new Uint8Array();

/** One for all files: memory that is new for each takes longer than the encoding. */
export class StatEncoder {
  readonly #writer = new BinaryWriter();

  encode({ path, mode, size, modified, linkname, device }: FileStat): Uint8Array {
    const writer = this.#writer;
    // uid and gid stay 0: what is copied belongs to root, as docker has it.
    writer.tag(2, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.LengthDelimited).string(path);
    writer.tag(2, WireType.Varint).uint32(mode);
    writer.tag(5, WireType.Varint).int64(size);
    writer.tag(6, WireType.Varint).int64(nearestTime(modified));
    if (linkname !== undefined) writer.tag(7, WireType.LengthDelimited).string(linkname);
    if (device !== undefined) {
      writer.tag(8, WireType.Varint).int64(device.major);
      writer.tag(9, WireType.Varint).int64(device.minor);
    }
    return writer.join().finish();
  }
}

/** The nanoseconds that 64 bits hold: from the year 1677 to 2262. */
const [EARLIEST, LATEST] = [-(2n ** 63n), 2n ** 63n - 1n];

/** @param time in nanoseconds since the epoch */
export function nearestTime(time: bigint): bigint {
  if (time < EARLIEST) return EARLIEST;
  return time > LATEST ? LATEST : time;
}

/** A part of a file's content. */
export function encodeData(id: number, data: Uint8Array): Uint8Array {
  return packet('data')
    .tag(3, WireType.Varint)
    .uint32(id)
    .tag(4, WireType.LengthDelimited)
    .bytes(data)
    .finish();
}

/** A file's content is complete: a data packet without data. */
export function encodeEndOfData(id: number): Uint8Array {
  return packet('data').tag(3, WireType.Varint).uint32(id).finish();
}

export function encodeEnd(): Uint8Array {
  return packet('end').finish();
}

export function encodeError(message: string): Uint8Array {
  return packet('error').tag(4, WireType.LengthDelimited).string(message).finish();
}

function packet(type: (typeof TYPES)[number]): BinaryWriter {
  return new BinaryWriter().tag(1, WireType.Varint).int32(TYPES.indexOf(type));
}
