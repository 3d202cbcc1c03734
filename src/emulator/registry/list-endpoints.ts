import type { Digest } from '../../oci/digest.js';
import { MANIFEST_LIMIT } from '../../oci/manifest.js';
import { MEDIA_TYPE } from '../../oci/media-types.js';
import { jsonReply, methodNotAllowed, type Exchange, type Reply } from './exchange.js';
import type { Layout } from './layout.js';
import type { ManifestStore } from './manifest-store.js';
import type { RepositoryName } from './names.js';
import { nextLink, pageOf, parsePageRequest } from './pagination.js';
import { ProtocolError } from './protocol-error.js';
import { listRepositories } from './repositories.js';

/** As docker-registry has it. */
const CATALOG_PAGE = 100;

/** Bytes of a referrers list around its entries. */
const ENVELOPE = 256;

/** `/v2/_catalog` (of docker-registry; not in the specification) */
export async function answerCatalog(layout: Layout, exchange: Exchange): Promise<Reply> {
  requireGet(exchange);
  const { n = CATALOG_PAGE, last } = parsePageRequest(exchange.query);
  const names: string[] = [];
  for await (const name of listRepositories(layout)) names.push(name);
  const page = pageOf(names.sort(), { n, ...(last === undefined ? {} : { last }) });
  return jsonReply({ repositories: page.entries }, linkTo(exchange.path, n, page.next));
}

/** `/v2/NAME/tags/list` */
export async function answerTags(
  manifests: ManifestStore,
  { name }: { readonly name: RepositoryName },
  exchange: Exchange,
): Promise<Reply> {
  requireGet(exchange);
  const request = parsePageRequest(exchange.query);
  const tags = await manifests.tags(name);
  if (tags === undefined) {
    throw new ProtocolError('NAME_UNKNOWN', 'repository name not known to registry', { detail: { name } });
  }
  const page = pageOf(tags, request);
  return jsonReply({ name, tags: page.entries }, linkTo(exchange.path, request.n, page.next));
}

/** `/v2/NAME/referrers/DIGEST`; never a 404, not even for an unknown repository (distribution-spec). */
export async function answerReferrers(
  manifests: ManifestStore,
  { name, digest }: { readonly name: RepositoryName; readonly digest: Digest },
  exchange: Exchange,
): Promise<Reply> {
  requireGet(exchange);
  const artifactType = exchange.query.get('artifactType');
  const filter: Record<string, string> = artifactType === null ? {} : { artifactType };
  const { entries, next } = await referrersPage(manifests, name, digest, {
    ...filter,
    last: exchange.query.get('last') ?? '',
  });
  return {
    status: 200,
    headers: {
      'Content-Type': MEDIA_TYPE.ociIndex,
      ...(artifactType === null ? {} : { 'OCI-Filters-Applied': 'artifactType' }),
      ...(next === undefined ? {} : { Link: nextLink(exchange.path, { ...filter, last: next }) }),
    },
    body: `{"schemaVersion":2,"mediaType":"${MEDIA_TYPE.ociIndex}","manifests":[${entries.join(',')}]}`,
  };
}

/** The list is a manifest itself, and clients read no more than a manifest may have: what exceeds it is on a next page. */
async function referrersPage(
  manifests: ManifestStore,
  name: RepositoryName,
  subject: Digest,
  { artifactType, last }: { readonly artifactType?: string; readonly last: string },
): Promise<{ readonly entries: readonly string[]; readonly next?: string }> {
  const entries: string[] = [];
  let space = MANIFEST_LIMIT - ENVELOPE;
  let next = last;
  for (const digest of await manifests.referrers(name, subject)) {
    const entry = digest > last ? await manifests.referrer(name, subject, digest) : undefined;
    if (entry === undefined || !isOfType(entry, artifactType)) continue;
    space -= Buffer.byteLength(entry) + 1;
    if (space < 0 && entries.length > 0) return { entries, next };
    entries.push(entry);
    next = digest;
  }
  return { entries };
}

function isOfType(entry: string, artifactType: string | undefined): boolean {
  if (artifactType === undefined) return true;
  const descriptor = JSON.parse(entry) as { readonly artifactType?: string };
  return descriptor.artifactType === artifactType;
}

function linkTo(path: string, n: number | undefined, next: string | undefined): Record<string, string> {
  return n === undefined || next === undefined ? {} : { Link: nextLink(path, { n: String(n), last: next }) };
}

function requireGet({ method }: Exchange): void {
  if (method !== 'GET' && method !== 'HEAD') throw methodNotAllowed('GET, HEAD');
}
