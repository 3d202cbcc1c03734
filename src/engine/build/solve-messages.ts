import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { formatPlatform } from '../../oci/platform.js';
import type { BuildCache } from './cache.js';
import { exporterOf, type BuildOutput, type BuildSettings } from './query.js';

/*
 * The messages of moby.buildkit.v1.Control/Solve (api/services/control/control.proto), as far as a build of a
 * Dockerfile needs them.
 */

export interface SolveRequest {
  /** Names the build: its progress is asked for by it. */
  readonly ref: string;
  readonly session: string;
  readonly dockerfile: string;
}

type Attributes = Readonly<Record<string, string>>;

export function encodeSolve({ ref, session, dockerfile }: SolveRequest, settings: BuildSettings): Uint8Array {
  const writer = new BinaryWriter();
  writeString(writer, 1, ref);
  // The two fields before `exporters`, which BuildKit before 0.13 does not have.
  const exporter = exporterOf(settings.output);
  writeString(writer, 3, exporter.type);
  writeMap(writer, 4, { name: settings.tags.join(','), ...exporter.attributes });
  writeString(writer, 5, session);
  writeString(writer, 6, 'dockerfile.v0');
  writeMap(writer, 7, { filename: dockerfile, ...frontendAttributes(settings) });
  writer.tag(8, WireType.LengthDelimited).fork();
  for (const entry of settings.cacheTo) writeCache(writer, 4, entry);
  for (const entry of settings.cacheFrom) writeCache(writer, 5, entry);
  return writer.join().finish();
}

export function encodeStatusRequest(ref: string): Uint8Array {
  return writeString(new BinaryWriter(), 1, ref).finish();
}

/** What the exporter tells of what it made, by name. */
export function decodeSolved(bytes: Uint8Array): Map<string, string> {
  const told = new Map<string, string>();
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1) told.set(...decodeEntry(reader.bytes()));
    else reader.skip(wireType);
  }
  return told;
}

function frontendAttributes(settings: BuildSettings): Attributes {
  const { buildArgs, labels, target, platforms, noCache, output, cacheFrom } = settings;
  return {
    ...prefixed('build-arg:', buildArgs),
    ...prefixed('label:', labels),
    ...(target === undefined ? {} : { target }),
    ...(platforms.length === 0 ? {} : { platform: platforms.map(formatPlatform).join(',') }),
    ...(noCache ? { 'no-cache': '' } : {}),
    // As `/build` does: a base image that the engine has is not asked of its registry.
    'image-resolve-mode': 'local',
    ...provenanceAttributes(output),
    ...(cacheFrom.length === 0 ? {} : { 'cache-imports': JSON.stringify(cacheFrom.map(asImport)) }),
  };
}

function provenanceAttributes(output: BuildOutput): Attributes {
  if (output.store === 'graphdriver' || output.provenance === 'off') return {};
  return { 'attest:provenance': `mode=${output.provenance}` };
}

function asImport({ type, attributes }: BuildCache): object {
  return { Type: type, Attrs: attributes };
}

function prefixed(prefix: string, values: Attributes): Attributes {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [prefix + name, value]));
}

function writeString(writer: BinaryWriter, field: number, value: string): BinaryWriter {
  return writer.tag(field, WireType.LengthDelimited).string(value);
}

/** map<string, string>: one entry a field. */
function writeMap(writer: BinaryWriter, field: number, values: Attributes): void {
  for (const [name, value] of Object.entries(values)) {
    writer.tag(field, WireType.LengthDelimited).fork();
    writeString(writer, 1, name);
    writeString(writer, 2, value);
    writer.join();
  }
}

function writeCache(writer: BinaryWriter, field: number, { type, attributes }: BuildCache): void {
  writer.tag(field, WireType.LengthDelimited).fork();
  writeString(writer, 1, type);
  writeMap(writer, 2, attributes);
  writer.join();
}

function decodeEntry(bytes: Uint8Array): [name: string, value: string] {
  const entry: [string, string] = ['', ''];
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1 || field === 2) entry[field - 1] = reader.string();
    else reader.skip(wireType);
  }
  return entry;
}
