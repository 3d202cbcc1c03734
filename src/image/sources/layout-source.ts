import { DeployerError } from '../../lib/errors.js';
import { ContentCheck } from '../../oci/content-check.js';
import type { Descriptor } from '../../oci/descriptor.js';
import { algorithmOf, digestOf, type Digest } from '../../oci/digest.js';
import {
  blobPath,
  chooseEntry,
  INDEX_FILE,
  LAYOUT_FILE,
  layoutProblem,
  type LayoutChoice,
} from '../../oci/layout.js';
import { MANIFEST_LIMIT, parseManifest, type ImageIndex } from '../../oci/manifest.js';
import { isIndexType, isManifestType } from '../../oci/media-types.js';
import type { BlobContent } from '../../registry/blob-content.js';
import type { StoredManifest } from '../stored-manifest.js';
import { damaged, readWhole, type ImageFiles } from './image-files.js';
import type { ImageSource } from './source.js';

/** An OCI image layout (image-spec, image-layout.md), in a folder or a tar archive. */
export class LayoutSource implements ImageSource {
  readonly name: string;
  readonly #files: ImageFiles;
  readonly #index: ImageIndex;
  readonly #entry: Descriptor;

  private constructor(name: string, files: ImageFiles, index: ImageIndex, entry: Descriptor) {
    this.name = name;
    this.#files = files;
    this.#index = index;
    this.#entry = entry;
  }

  /**
   * @param name of the layout without the choice, for messages: `oci:DIR`
   * @throws DeployerError `image_file_invalid`, and what `chooseEntry` finds
   */
  static async open(name: string, files: ImageFiles, choice: LayoutChoice): Promise<LayoutSource> {
    await checkMarker(files);
    const bytes = await readWhole(files, INDEX_FILE, MANIFEST_LIMIT);
    const index = parsed(files, INDEX_FILE, bytes, '');
    if (index.kind !== 'index') throw damaged(files.nameOf(INDEX_FILE), 'it is no index');
    return new LayoutSource(name, files, index, chooseEntry(index, choice, name));
  }

  rootDigest(): Promise<Digest> {
    return Promise.resolve(this.#entry.digest);
  }

  root(): Promise<StoredManifest> {
    return this.manifest(this.#entry);
  }

  async manifest({ digest, size, mediaType }: Descriptor): Promise<StoredManifest> {
    const path = blobPath(digest);
    const bytes = await readWhole(this.#files, path, MANIFEST_LIMIT);
    const actual = digestOf(bytes, algorithmOf(digest));
    if (actual !== digest) throw this.#mismatch(path)(`the digest of its bytes is ${actual}, not ${digest}`);
    if (bytes.length !== size)
      throw this.#mismatch(path)(`it has ${bytes.length} bytes, not the ${size} of its descriptor`);
    return { digest, size, bytes, content: parsed(this.#files, path, bytes, mediaType) };
  }

  blob(blob: Descriptor): BlobContent {
    return fileContent(this.#files, blobPath(blob.digest), blob);
  }

  async referrers(digest: Digest): Promise<readonly Descriptor[]> {
    const found: Descriptor[] = [];
    for (const entry of this.#index.manifests) {
      if (!isIndexType(entry.mediaType) && !isManifestType(entry.mediaType)) continue;
      const { content } = await this.manifest(entry);
      if (content.subject?.digest !== digest) continue;
      const artifactType =
        content.artifactType ?? (content.kind === 'manifest' ? content.config.mediaType : undefined);
      found.push({ ...entry, ...(artifactType === undefined ? {} : { artifactType }) });
    }
    return found;
  }

  close(): Promise<void> {
    return this.#files.close();
  }

  #mismatch(path: string) {
    return (why: string): DeployerError => damaged(this.#files.nameOf(path), why);
  }
}

/** @throws DeployerError `image_file_invalid` when the files are no layout, or one of another version */
export async function checkMarker(files: ImageFiles): Promise<void> {
  const marker = (await readWhole(files, LAYOUT_FILE, 4096)).toString('utf8');
  const problem = layoutProblem(marker);
  if (problem !== undefined) throw damaged(files.nameOf(LAYOUT_FILE), problem);
}

/** A blob that is a file: its size is compared before a byte of it goes out, its digest before the last. */
export function fileContent(
  files: ImageFiles,
  path: string,
  blob: Pick<Descriptor, 'digest' | 'size'>,
): BlobContent {
  const mismatch = (why: string): DeployerError => damaged(files.nameOf(path), why);
  return {
    async *open(start, hashing) {
      const size = await files.sizeOf(path);
      if (size === undefined) throw mismatch('it is missing');
      if (size !== blob.size) throw mismatch(`it has ${size} bytes, not the ${blob.size} of its descriptor`);
      const check = new ContentCheck(blob, { start, hashing }, mismatch);
      for await (const chunk of files.chunks(path, start)) yield check.take(chunk);
    },
  };
}

function parsed(
  files: ImageFiles,
  path: string,
  bytes: Buffer,
  mediaType: string,
): StoredManifest['content'] {
  try {
    return parseManifest(bytes, mediaType);
  } catch (error) {
    if (!(error instanceof DeployerError)) throw error;
    throw new DeployerError(
      'image_file_invalid',
      `${files.nameOf(path)} can't be used: it is no valid manifest`,
      {
        cause: error,
        evidence: [error.message],
        suggestions: error.suggestions,
      },
    );
  }
}
