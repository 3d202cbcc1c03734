import { Digester, digestOf, isDigest, type Digest } from '../../oci/digest.js';
import type { Descriptor } from '../../oci/descriptor.js';
import {
  ARCHIVE_MANIFEST,
  chooseArchived,
  manifestOfArchived,
  parseArchiveManifest,
  type ArchivedImage,
} from '../../oci/docker-archive.js';
import { INDEX_FILE, LAYOUT_FILE } from '../../oci/layout.js';
import { MANIFEST_LIMIT, parseManifest } from '../../oci/manifest.js';
import { MEDIA_TYPE } from '../../oci/media-types.js';
import type { BlobContent } from '../../registry/blob-content.js';
import { CONFIG_LIMIT } from '../config-platform.js';
import type { StoredManifest } from '../stored-manifest.js';
import { damaged, readWhole, type ImageFiles } from './image-files.js';
import { fileContent, LayoutSource } from './layout-source.js';
import type { ImageSource } from './source.js';
import { TarFiles } from './tar-files.js';

interface ArchivedBlob extends Descriptor {
  readonly path: string;
}

/**
 * What `docker save` writes. Since version 25 that is an OCI layout in a tar, and is read as one. Before, it held a
 * config and bare layers: those get an OCI manifest. Layers are pushed as they lie there, uncompressed in docker's own
 * archives: a tar layer is as good as a gzipped one to every OCI runtime, its digest is the one the config names, and
 * it is the same on every machine, which zlib's output is not from one version or processor to the next.
 * @param name the image that is meant, when there are several
 */
export async function openDockerArchive(
  file: string,
  name: string | undefined,
  options: { readonly tempFolder: string; readonly signal?: AbortSignal },
): Promise<ImageSource> {
  const files = await TarFiles.open(file, options.tempFolder, options.signal);
  const where = `docker-archive:${file}`;
  try {
    const isLayout =
      (await files.sizeOf(LAYOUT_FILE)) !== undefined && (await files.sizeOf(INDEX_FILE)) !== undefined;
    if (isLayout) return await LayoutSource.open(where, files, choiceOf(name));
    const manifest = await readWhole(files, ARCHIVE_MANIFEST, MANIFEST_LIMIT);
    const images = parseArchiveManifest(manifest.toString('utf8'), file);
    return await ArchiveSource.read(where, files, chooseArchived(images, name, where));
  } catch (error) {
    await files.close();
    throw error;
  }
}

function choiceOf(name: string | undefined): { tag?: string; digest?: Digest } {
  if (name === undefined) return {};
  return isDigest(name) ? { digest: name } : { tag: name };
}

/** An archive without manifests, as docker before 25, podman, kaniko and nix write it. */
class ArchiveSource implements ImageSource {
  readonly name: string;
  readonly #files: ImageFiles;
  readonly #root: StoredManifest;
  readonly #paths: ReadonlyMap<Digest, string>;

  private constructor(
    name: string,
    files: ImageFiles,
    root: StoredManifest,
    paths: ReadonlyMap<Digest, string>,
  ) {
    this.name = name;
    this.#files = files;
    this.#root = root;
    this.#paths = paths;
  }

  static async read(name: string, files: ImageFiles, image: ArchivedImage): Promise<ArchiveSource> {
    const { config, diffIds } = await readConfig(files, image);
    const layers: ArchivedBlob[] = [];
    for (const [at, path] of image.layers.entries())
      layers.push(await readLayer(files, path, diffIds[at] as Digest));
    const blobs = [config, ...layers];
    const [configOnly, ...layersOnly] = blobs.map(({ path: _path, ...descriptor }) => descriptor);
    const bytes = manifestOfArchived(configOnly as Descriptor, layersOnly);
    const root = {
      digest: digestOf(bytes),
      size: bytes.length,
      bytes,
      content: parseManifest(bytes, MEDIA_TYPE.ociManifest),
    };
    return new ArchiveSource(name, files, root, new Map(blobs.map(({ digest, path }) => [digest, path])));
  }

  rootDigest(): Promise<Digest> {
    return Promise.resolve(this.#root.digest);
  }

  root(): Promise<StoredManifest> {
    return Promise.resolve(this.#root);
  }

  manifest(entry: Descriptor): Promise<StoredManifest> {
    return Promise.reject(damaged(this.name, `it holds one image alone, and no ${entry.digest}`));
  }

  blob(blob: Descriptor): BlobContent {
    return fileContent(this.#files, this.#paths.get(blob.digest) ?? '', blob);
  }

  referrers(): Promise<readonly Descriptor[]> {
    return Promise.resolve([]);
  }

  close(): Promise<void> {
    return this.#files.close();
  }
}

async function readConfig(
  files: ImageFiles,
  { config: path, layers }: ArchivedImage,
): Promise<{ config: ArchivedBlob; diffIds: readonly Digest[] }> {
  const bytes = await readWhole(files, path, CONFIG_LIMIT);
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    throw damaged(files.nameOf(path), 'it is not JSON');
  }
  const diffIds: unknown = (value as { rootfs?: { diff_ids?: unknown } } | null)?.rootfs?.diff_ids ?? [];
  if (!Array.isArray(diffIds) || !diffIds.every(isDigest))
    throw damaged(files.nameOf(path), 'its diff_ids are no digests');
  if (diffIds.length !== layers.length)
    throw damaged(
      files.nameOf(path),
      `it names ${diffIds.length} layers, ${ARCHIVE_MANIFEST} ${layers.length}`,
    );
  const config = { mediaType: MEDIA_TYPE.ociConfig, digest: digestOf(bytes), size: bytes.length, path };
  return { config, diffIds };
}

async function readLayer(files: ImageFiles, path: string, diffId: Digest): Promise<ArchivedBlob> {
  const size = await files.sizeOf(path);
  if (size === undefined) throw damaged(files.nameOf(path), 'it is missing');
  const mediaType = await layerTypeOf(files, path);
  // What is not compressed is what the config's diff_id is of: it is compared when it is read.
  if (mediaType === MEDIA_TYPE.ociLayer) return { mediaType, digest: diffId, size, path };
  const digester = new Digester();
  for await (const chunk of files.chunks(path, 0)) digester.update(chunk);
  return { mediaType, digest: digester.digest(), size, path };
}

/** kaniko and others put compressed layers in. */
async function layerTypeOf(files: ImageFiles, path: string): Promise<string> {
  for await (const chunk of files.chunks(path, 0)) {
    const magic = Buffer.from(chunk.subarray(0, 4)).toString('hex');
    if (magic.startsWith('1f8b')) return MEDIA_TYPE.ociLayerGzip;
    if (magic === '28b52ffd') return MEDIA_TYPE.ociLayerZstd;
    break;
  }
  return MEDIA_TYPE.ociLayer;
}
