import { DeployerError, type ErrorCode } from '../lib/errors.js';
import { formatReference, manifestNameOf, type Reference } from '../oci/reference.js';
import type { RegistryClient } from '../registry/client.js';
import { repositoryMissing } from '../registry/refusal.js';
import { nearestTags, readTags, type TagList } from './nearest-tags.js';

/** Here the tag list can tell more, and time may. */
const NOT_THERE: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['tag_not_found', 'digest_not_found']);
const TAGS_A_PAGE = 1000;

export function isMissing(error: unknown): error is DeployerError {
  return error instanceof DeployerError && NOT_THERE.has(error.code);
}

/**
 * What the tag list says. It only adds to an error, so its own failure is a fact beside it, not a cause.
 * @param pages how many are read at most, of a thousand tags each
 */
export async function listTags(
  client: RegistryClient,
  reference: Reference,
  { pages = 1, signal }: { readonly pages?: number; readonly signal?: AbortSignal | undefined } = {},
): Promise<TagList> {
  const tags = new Set<string>();
  let last: string | undefined;
  try {
    for (let page = 1; ; page += 1) {
      const answer = await client.tags(reference, TAGS_A_PAGE, signal, last);
      const list = readTags(answer);
      if (list.status !== 'listed')
        return page === 1 ? list : { status: 'listed', tags: [...tags], more: true };
      const before = tags.size;
      for (const tag of list.tags) tags.add(tag);
      last = list.tags.at(-1);
      // A registry that knows no `last` begins anew: then what follows can't be had.
      const ends = !list.more || page === pages || tags.size === before;
      if (ends) return { status: 'listed', tags: [...tags], more: list.more };
    }
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof DeployerError) return { status: 'unknown', why: error.message };
    throw error;
  }
}

/** The error of an image that is not there, with what the tag list adds. */
export function explainMissing(error: DeployerError, reference: Reference, tags: TagList): DeployerError {
  const name = formatReference(reference);
  if (tags.status === 'no-repository') {
    const { code, message, suggestions } = repositoryMissing(reference, tags.login);
    return new DeployerError(code, message, { cause: error, evidence: error.evidence, suggestions });
  }
  if (reference.digest !== undefined) return error;
  if (tags.status === 'unknown') {
    return new DeployerError('tag_not_found', `${name} is not there`, {
      cause: error,
      evidence: [...error.evidence, `the tags that are there can't be listed: ${tags.why}`],
      suggestions: ['check the spelling of repository and tag'],
    });
  }
  const near = nearestTags(manifestNameOf(reference), tags.tags, 5);
  return new DeployerError(
    'tag_not_found',
    `${name} is not there: the registry knows the repository, but not this tag`,
    {
      cause: error,
      evidence: [...error.evidence, tagsThere(near, tags)],
      suggestions:
        near.length === 0
          ? [`push it: docker push ${name}`]
          : [`deployer image inspect ${formatReference({ ...reference, tag: near[0] })}`],
    },
  );
}

function tagsThere(near: readonly string[], { tags, more }: TagList & { status: 'listed' }): string {
  if (near.length === 0) return 'the repository has no tags';
  const others = tags.length - near.length;
  const rest = more ? ', and more' : others > 0 ? `, and ${others} more` : '';
  return `tags there: ${near.join(', ')}${rest}`;
}
