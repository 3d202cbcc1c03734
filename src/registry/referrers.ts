import { DeployerError } from '../lib/errors.js';
import type { Descriptor } from '../oci/descriptor.js';
import type { Digest } from '../oci/digest.js';
import { MANIFEST_LIMIT, parseManifest } from '../oci/manifest.js';
import { MEDIA_TYPE } from '../oci/media-types.js';
import type { Reference } from '../oci/reference.js';
import { readAnswer, type RegistryAnswer } from './answer.js';
import { refusalOf } from './refusal.js';
import type { RegistryRequests } from './requests.js';

/** A registry that pages its list for ever is not followed for ever. */
const MOST_PAGES = 50;

/** Where clients keep the list for a registry without the API: `sha256-HEX` (distribution-spec 1.1, "Referrers Tag Schema"). */
export function referrersTag(digest: Digest): string {
  // A tag holds at most 128 characters: the specification cuts a sha512.
  return digest.replace(':', '-').slice(0, 128);
}

/**
 * What is about a manifest: asked of the API, and where there is none (404) of the tag.
 * @throws DeployerError what `refusalOf` finds, `manifest_invalid`
 */
export async function listReferrers(
  requests: RegistryRequests,
  { domain, path }: Pick<Reference, 'domain' | 'path'>,
  digest: Digest,
  signal?: AbortSignal,
): Promise<readonly Descriptor[]> {
  const found: Descriptor[] = [];
  let target: string | URL = `referrers/${digest}`;
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const answer = await askForIndex(requests, { domain, path }, target, signal);
    // 404, and 405 or a web page here and there, of registries that are older than the API.
    const hasNoApi = page === 0 && (answer.html || [404, 405].includes(answer.status));
    if (hasNoApi) return (await readReferrersTag(requests, { domain, path }, digest, signal)).entries;
    found.push(...entriesOf(answer, { domain, path, digest }));
    const next = nextPage(answer);
    if (next === undefined) return found;
    target = next;
  }
  throw new DeployerError('not_a_registry', `${domain} lists the referrers of ${digest} without an end`);
}

/** The index under the referrers tag; empty where there is none. */
export async function readReferrersTag(
  requests: RegistryRequests,
  { domain, path }: Pick<Reference, 'domain' | 'path'>,
  digest: Digest,
  signal?: AbortSignal,
): Promise<{ readonly entries: readonly Descriptor[]; readonly bytes?: Buffer }> {
  const tag = referrersTag(digest);
  const answer = await askForIndex(requests, { domain, path }, `manifests/${tag}`, signal);
  if (answer.status === 404) return { entries: [] };
  return { entries: entriesOf(answer, { domain, path, tag }), bytes: answer.bytes };
}

async function askForIndex(
  requests: RegistryRequests,
  repository: Pick<Reference, 'domain' | 'path'>,
  target: string | URL,
  signal: AbortSignal | undefined,
): Promise<RegistryAnswer> {
  const accept = [MEDIA_TYPE.ociIndex];
  const { response, ...sent } = await requests.send(
    { ...repository, actions: ['pull'] },
    {
      method: 'GET',
      target,
      headers: { accept: MEDIA_TYPE.ociIndex },
      ...(signal === undefined ? {} : { signal }),
    },
  );
  return readAnswer(response, { method: 'GET', accept, ...sent }, MANIFEST_LIMIT);
}

function entriesOf(answer: RegistryAnswer, reference: Reference): readonly Descriptor[] {
  if (answer.status !== 200 || answer.html) throw refusalOf(answer, reference);
  const index = parseManifest(answer.bytes, answer.mediaType);
  if (index.kind === 'index') return index.manifests;
  throw new DeployerError(
    'manifest_invalid',
    `${reference.domain} gives a manifest where it lists referrers`,
  );
}

/** RFC 8288; a page on another host is not the registry's own list. */
function nextPage({ headers, url }: RegistryAnswer): URL | undefined {
  const target = /<([^>]{1,2048})>\s*;[^,]*rel="?next"?/.exec(headers['link'] ?? '')?.[1];
  if (target === undefined || !URL.canParse(target, url.href)) return undefined;
  const next = new URL(target, url);
  return next.origin === url.origin ? next : undefined;
}
