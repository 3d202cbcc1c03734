import { join } from 'node:path';
import { algorithmOf, isDigest, type Digest } from '../../oci/digest.js';
import { isTag, type RepositoryName, type Tag } from './names.js';

/**
 * Where things lie in the data folder. Content is stored once, by its digest; a repository holds links to it:
 *
 *     format                                           the layout's version
 *     lock                                             the process that has the folder
 *     temp/                                            files on their way
 *     uploads/ID/{repository,data}                     upload sessions
 *     blobs/sha256/ab/abcd…                            content of blobs and manifests
 *     repositories/NAME/_blobs/sha256/abcd…            link to a blob; empty
 *     repositories/NAME/_manifests/sha256/abcd…        link to a manifest; its media type
 *     repositories/NAME/_tags/v1                       the manifest's digest
 *     repositories/NAME/_referrers/sha256/SUBJECT/sha256-abcd…   descriptor of a manifest that names the subject
 *
 * No component of a repository's name starts with an underscore, so that links and nested repositories can't meet.
 */
export class Layout {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  get formatFile(): string {
    return join(this.root, 'format');
  }

  get lockFile(): string {
    return join(this.root, 'lock');
  }

  get tempDir(): string {
    return join(this.root, 'temp');
  }

  get uploadsDir(): string {
    return join(this.root, 'uploads');
  }

  get blobsDir(): string {
    return join(this.root, 'blobs');
  }

  get repositoriesDir(): string {
    return join(this.root, 'repositories');
  }

  content(digest: Digest): string {
    const encoded = encodedOf(digest);
    return join(this.blobsDir, algorithmOf(digest), encoded.slice(0, 2), encoded);
  }

  repositoryDir(name: RepositoryName): string {
    return join(this.repositoriesDir, ...name.split('/'));
  }

  blobsOf(name: RepositoryName): string {
    return join(this.repositoryDir(name), LINKS.blobs);
  }

  blobLink(name: RepositoryName, digest: Digest): string {
    return join(this.blobsOf(name), algorithmOf(digest), encodedOf(digest));
  }

  manifestsOf(name: RepositoryName): string {
    return join(this.repositoryDir(name), LINKS.manifests);
  }

  manifestLink(name: RepositoryName, digest: Digest): string {
    return join(this.manifestsOf(name), algorithmOf(digest), encodedOf(digest));
  }

  tagsOf(name: RepositoryName): string {
    return join(this.repositoryDir(name), '_tags');
  }

  tagFile(name: RepositoryName, tag: Tag): string {
    return join(this.tagsOf(name), fileNameOfTag(tag));
  }

  referrersOf(name: RepositoryName, subject: Digest): string {
    return join(this.repositoryDir(name), '_referrers', algorithmOf(subject), encodedOf(subject));
  }

  referrerFile(name: RepositoryName, subject: Digest, referrer: Digest): string {
    return join(this.referrersOf(name, subject), referrer.replace(':', '-'));
  }
}

export const LINKS = { blobs: '_blobs', manifests: '_manifests' } as const;

function encodedOf(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1);
}

/** The digest that the folder `algorithm` and the file `encoded` in it stand for; undefined for a stranger. */
export function digestOfPath(algorithm: string, encoded: string): Digest | undefined {
  const digest = `${algorithm}:${encoded}`;
  return isDigest(digest) ? digest : undefined;
}

/**
 * `v1` is `v1`; `RC-1` is `rc-1+3`: where the file system holds `RC-1` and `rc-1` for one name (macOS), the tags
 * are still two. Behind the plus, which no tag has, are the places of the capitals as bits, in base 16.
 */
export function fileNameOfTag(tag: Tag): string {
  let capitals = 0n;
  for (const [place, character] of [...tag].entries()) {
    if (character >= 'A' && character <= 'Z') capitals |= 1n << BigInt(place);
  }
  return capitals === 0n ? tag : `${tag.toLowerCase()}+${capitals.toString(16)}`;
}

/** The reverse of `fileNameOfTag`; undefined for a file that is no tag's. */
export function tagOfFileName(fileName: string): Tag | undefined {
  const [, lower, mask] = /^([^+]+)(?:\+([0-9a-f]{1,32}))?$/.exec(fileName) ?? [];
  if (lower === undefined) return undefined;
  const capitals = BigInt(`0x${mask ?? '0'}`);
  const tag = [...lower]
    .map((character, place) => ((capitals >> BigInt(place)) & 1n ? character.toUpperCase() : character))
    .join('');
  return isTag(tag) && fileNameOfTag(tag) === fileName ? tag : undefined;
}
