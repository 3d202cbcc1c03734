import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { Platform } from '../../src/oci/descriptor.js';
import { digestOf, type Digest } from '../../src/oci/digest.js';
import { MEDIA_TYPE } from '../../src/oci/media-types.js';
import { busyboxLayer, filesLayer } from './layers.js';
import { libtrustJwk } from './libtrust.js';

/** Bytes by their digest: a config or a layer. */
export interface FixtureBlob {
  readonly mediaType: string;
  readonly bytes: Buffer;
  readonly digest: Digest;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A manifest or index, with all that must be in the repository before it. */
export interface FixtureManifest {
  readonly mediaType: string;
  readonly bytes: Buffer;
  readonly digest: Digest;
  readonly size: number;
  readonly platform?: Platform;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly artifactType?: string;
  readonly blobs: readonly FixtureBlob[];
  readonly children: readonly FixtureManifest[];
}

export interface ImageOptions {
  readonly platform?: Platform;
  /** What its web server answers at `/`; another message is another digest. */
  readonly message?: string;
  /** Instead of a web server on port 8080. `/bin/sh` and busybox's applets are there. */
  readonly command?: readonly string[];
  /** The port that it says it listens on. */
  readonly exposes?: number;
  readonly env?: readonly string[];
  /** `false`: without busybox, so that it is quickly made and pushed; it can't be run. */
  readonly runnable?: boolean;
  /** zstd is named only: the bytes are gzip, and nobody can run it. */
  readonly layerMediaType?: string;
}

export const LINUX_AMD64: Platform = { os: 'linux', architecture: 'amd64' };
export const LINUX_ARM64: Platform = { os: 'linux', architecture: 'arm64' };
const UNKNOWN: Platform = { os: 'unknown', architecture: 'unknown' };

/** One OCI manifest, as `docker build --provenance=false` with `oci-mediatypes=true` makes it. */
export function ociImage(options: ImageOptions = {}): Promise<FixtureManifest> {
  return image('oci', options);
}

/** One Docker v2 schema 2 manifest, as a classic `docker push` makes it. */
export function dockerImage(options: ImageOptions = {}): Promise<FixtureManifest> {
  return image('docker', options);
}

/** Layers of these sizes that hold random bytes: nothing to unpack, but as much to carry as wanted. */
export function randomImage(
  layerSizes: readonly number[],
  platform: Platform = LINUX_AMD64,
): FixtureManifest {
  const layers = layerSizes.map((size) => blob(MEDIA_TYPE.ociLayerGzip, randomBytes(size)));
  const diffIds = layers.map(({ digest }) => digest);
  const config = blob(
    MEDIA_TYPE.ociConfig,
    json({ ...platform, config: {}, rootfs: { type: 'layers', diff_ids: diffIds } }),
  );
  return manifest(
    MEDIA_TYPE.ociManifest,
    { config: descriptorOf(config), layers: layers.map(descriptorOf) },
    { blobs: [config, ...layers], platform },
  );
}

/** The layers of both, one image on top of the other, as a build on a base makes it. */
export function onTop(base: FixtureManifest, top: FixtureManifest): FixtureManifest {
  const layers = [...base.blobs.slice(1), ...top.blobs.slice(1)];
  const diffIds = layers.map(({ digest }) => digest);
  const { platform = LINUX_AMD64 } = base;
  const config = blob(
    MEDIA_TYPE.ociConfig,
    json({ ...platform, rootfs: { type: 'layers', diff_ids: diffIds } }),
  );
  return manifest(
    MEDIA_TYPE.ociManifest,
    { config: descriptorOf(config), layers: layers.map(descriptorOf) },
    { blobs: [config, ...layers], platform },
  );
}

/** What buildx makes since 0.10 when nothing is said: an OCI index of the image and its provenance. */
export async function buildxIndex(
  options: ImageOptions & { readonly attestation?: AttestationForm } = {},
): Promise<FixtureManifest> {
  const built = await ociImage(options);
  return index([built, attestationOf(built, options.attestation ?? 'annotated')]);
}

/** linux/amd64 and linux/arm64, as an OCI index or a Docker manifest list. */
export async function multiPlatformIndex(
  form: 'oci' | 'docker' = 'oci',
  options: ImageOptions = {},
): Promise<FixtureManifest> {
  const images = await Promise.all(
    [LINUX_AMD64, LINUX_ARM64].map((platform) => image(form, { ...options, platform })),
  );
  return index(images, form);
}

/** An index whose only entry is an index (image-spec allows it). */
export async function nestedIndex(options: ImageOptions = {}): Promise<FixtureManifest> {
  return index([await multiPlatformIndex('oci', options)]);
}

/** An index of these, in this order. */
export function index(children: readonly FixtureManifest[], form: 'oci' | 'docker' = 'oci'): FixtureManifest {
  const mediaType = form === 'oci' ? MEDIA_TYPE.ociIndex : MEDIA_TYPE.dockerList;
  return manifest(mediaType, { manifests: children.map(descriptorOf) }, { children });
}

/** BuildKit before 0.32 marked an attestation by annotations alone; since then it is an artifact with a subject too. */
export type AttestationForm = 'annotated' | 'artifact';

/** The provenance attestation of an image, as BuildKit puts it into the index. */
export function attestationOf(
  subject: FixtureManifest,
  form: AttestationForm = 'annotated',
): FixtureManifest {
  const predicateType = 'https://slsa.dev/provenance/v0.2';
  const statement = blob(
    MEDIA_TYPE.inToto,
    json({
      _type: 'https://in-toto.io/Statement/v0.1',
      predicateType,
      subject: [{ name: 'image', digest: { sha256: subject.digest.replace('sha256:', '') } }],
      predicate: { builder: { id: '' }, buildType: 'https://mobyproject.org/buildkit@v1' },
    }),
    { 'in-toto.io/predicate-type': predicateType },
  );
  const artifactType = 'application/vnd.docker.attestation.manifest.v1+json';
  const config =
    form === 'artifact'
      ? blob(MEDIA_TYPE.ociEmpty, Buffer.from('{}'))
      : blob(
          MEDIA_TYPE.ociConfig,
          json({ ...UNKNOWN, config: {}, rootfs: { type: 'layers', diff_ids: [statement.digest] } }),
        );
  const { mediaType, digest, size } = subject;
  return manifest(
    MEDIA_TYPE.ociManifest,
    {
      ...(form === 'artifact' && { artifactType }),
      config: descriptorOf(config),
      layers: [descriptorOf(statement)],
      ...(form === 'artifact' && { subject: { mediaType, digest, size } }),
    },
    {
      blobs: [config, statement],
      platform: UNKNOWN,
      annotations: {
        'vnd.docker.reference.type': 'attestation-manifest',
        'vnd.docker.reference.digest': subject.digest,
      },
      ...(form === 'artifact' && { artifactType }),
    },
  );
}

/** A signed Docker schema 1 manifest, of before 2016. It names its own repository and tag. */
export async function schema1Signed(repository: string, tag: string): Promise<FixtureManifest> {
  const layer = await filesLayer({ 'etc/schema1': 'old\n' });
  const blobs = [blob(MEDIA_TYPE.dockerLayer, gzipSync(layer))];
  const unsigned = JSON.stringify(
    {
      ...{ schemaVersion: 1, name: repository, tag, architecture: 'amd64' },
      fsLayers: blobs.map(({ digest }) => ({ blobSum: digest })),
      history: [{ v1Compatibility: json({ id: '0'.repeat(64), os: 'linux' }).toString() }],
    },
    null,
    3,
  );
  const bytes = Buffer.from(signedByLibtrust(unsigned));
  const mediaType = MEDIA_TYPE.dockerSchema1Signed;
  // Its digest is of the bytes without the signature.
  return { mediaType, bytes, digest: digestOf(unsigned), size: bytes.length, blobs, children: [] };
}

/** Libtrust's JSON signature: what is signed are the bytes up to the last brace, then that brace (the "tail"). */
function signedByLibtrust(unsigned: string): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const encode = (text: string): string => Buffer.from(text).toString('base64url');
  const tail = '\n}';
  const head = unsigned.slice(0, -tail.length);
  const protectedHeader = encode(
    JSON.stringify({
      formatLength: Buffer.byteLength(head),
      formatTail: encode(tail),
      time: '2016-01-01T00:00:00Z',
    }),
  );
  const signature = sign('sha256', Buffer.from(`${protectedHeader}.${encode(unsigned)}`), {
    key: privateKey,
    dsaEncoding: 'ieee-p1363',
  }).toString('base64url');
  const header = { jwk: libtrustJwk(privateKey), alg: 'ES256' };
  return `${head},\n   "signatures": [${JSON.stringify({ header, signature, protected: protectedHeader })}]${tail}`;
}

const TYPES = {
  oci: { manifest: MEDIA_TYPE.ociManifest, config: MEDIA_TYPE.ociConfig, layer: MEDIA_TYPE.ociLayerGzip },
  docker: {
    manifest: MEDIA_TYPE.dockerManifest,
    config: MEDIA_TYPE.dockerConfig,
    layer: MEDIA_TYPE.dockerLayer,
  },
} as const;

/** Runnable on linux/amd64 where busybox-static is installed. */
async function image(form: 'oci' | 'docker', options: ImageOptions): Promise<FixtureManifest> {
  const types = TYPES[form];
  const platform = options.platform ?? LINUX_AMD64;
  const files = { 'www/index.html': `${options.message ?? 'hello'}\n` };
  const root = options.runnable === false ? filesLayer({ 'etc/root': 'empty\n' }) : busyboxLayer(platform);
  const layers = [await root, await filesLayer(files)];
  const config = blob(
    types.config,
    json({
      ...platform,
      created: '2026-01-01T00:00:00Z',
      config: {
        Env: ['PATH=/bin', ...(options.env ?? [])],
        Cmd: options.command ?? ['/bin/busybox', 'httpd', '-f', '-p', '8080', '-h', '/www'],
        ExposedPorts: { [`${options.exposes ?? 8080}/tcp`]: {} },
      },
      rootfs: { type: 'layers', diff_ids: layers.map((tar) => digestOf(tar)) },
      history: layers.map(() => ({ created: '2026-01-01T00:00:00Z', created_by: 'image-fixtures' })),
    }),
  );
  const layerBlobs = layers.map((tar) => blob(options.layerMediaType ?? types.layer, gzipSync(tar)));
  return manifest(
    types.manifest,
    { config: descriptorOf(config), layers: layerBlobs.map(descriptorOf) },
    { blobs: [config, ...layerBlobs], platform },
  );
}

function manifest(
  mediaType: string,
  content: object,
  parts: Partial<Omit<FixtureManifest, 'mediaType' | 'bytes' | 'digest' | 'size'>>,
): FixtureManifest {
  const bytes = json({ schemaVersion: 2, mediaType, ...content });
  return { blobs: [], children: [], ...parts, mediaType, bytes, digest: digestOf(bytes), size: bytes.length };
}

function blob(mediaType: string, bytes: Buffer, annotations?: Readonly<Record<string, string>>): FixtureBlob {
  return {
    mediaType,
    bytes,
    digest: digestOf(bytes),
    size: bytes.length,
    ...(annotations && { annotations }),
  };
}

/** What an index or a manifest says of this part. */
export function descriptorOf(part: FixtureBlob | FixtureManifest): object {
  const { mediaType, digest, size, annotations } = part;
  const { platform, artifactType }: Partial<FixtureManifest> = 'children' in part ? part : {};
  return {
    ...{ mediaType, digest, size },
    ...(platform && { platform }),
    ...(annotations && { annotations }),
    ...(artifactType && { artifactType }),
  };
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
