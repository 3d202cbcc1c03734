import type { Clock } from '../lib/clock.js';
import { DeployerError, type ErrorCode } from '../lib/errors.js';
import { ACCEPT_ALL } from '../oci/media-types.js';
import { formatReference, manifestNameOf, type Reference } from '../oci/reference.js';
import type { RegistryClient } from '../registry/client.js';
import { repositoryMissing } from '../registry/refusal.js';
import { nearestTags, readTags, type TagList } from './nearest-tags.js';
import { verifyManifest, type StoredManifest } from './stored-manifest.js';

export interface FoundImage {
  readonly reference: Reference;
  readonly stored: StoredManifest;
}

export interface SearchOptions {
  /** Media types to ask with; all of them unless a client of old is played. */
  readonly accept?: readonly string[];
  /** How long an image that was just pushed to this registry may be missing; 0 when it should be there at once. */
  readonly lagMs?: number;
  readonly signal?: AbortSignal;
  /** Requests that will follow at the same time, when it is found; 1. */
  readonly atOnce?: number;
  /** Told when the search waits and asks again. */
  readonly onWait?: (why: string) => void;
}

const TAGS_ASKED = 1000;
const PAUSE_MS = 2000;
/** Here the tag list can tell more, and time may. */
const NOT_THERE: ReadonlySet<ErrorCode> = new Set(['tag_not_found', 'digest_not_found']);
/** A tag that is listed while its manifest is missing is on its way: this long it is worth waiting. */
const LISTED_LAG_MS = 6000;

/**
 * Finds an image in its registry with one GET that accepts every form. When it is not there, says whether the
 * repository or the tag is missing, and which tags come near; where a fresh push may not be visible yet, asks again.
 * @throws DeployerError `tag_not_found`, `repository_not_found`, and whatever else a registry or a network can answer
 */
export class ImageSearch {
  readonly #client: RegistryClient;
  readonly #clock: Clock;

  constructor(client: RegistryClient, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  async find(reference: Reference, options: SearchOptions = {}): Promise<FoundImage> {
    const { accept = ACCEPT_ALL, signal, atOnce = 1, onWait } = options;
    const started = this.#clock.now();
    for (;;) {
      const answer = await this.#client.manifest(reference, {
        accept,
        atOnce,
        ...(signal ? { signal } : {}),
      });
      try {
        return { reference, stored: verifyManifest(answer, reference) };
      } catch (error) {
        if (!(error instanceof DeployerError) || !NOT_THERE.has(error.code)) throw error;
        const tags = await this.#tags(reference, signal);
        const listed =
          reference.digest === undefined &&
          tags.status === 'listed' &&
          tags.tags.includes(manifestNameOf(reference));
        const patience = Math.max(options.lagMs ?? 0, listed ? LISTED_LAG_MS : 0);
        if (this.#clock.now() - started + PAUSE_MS > patience) throw missing(error, reference, tags);
        onWait?.(
          listed
            ? `${reference.domain} lists the tag, but does not have its manifest yet; asking again`
            : `not there yet; ${reference.domain} may take some seconds to show a fresh push, asking again`,
        );
        await this.#clock.sleep(PAUSE_MS, signal);
      }
    }
  }

  /** What the tag list says; it only adds to an error, so its own failure is a fact beside it, not a cause. */
  async #tags(reference: Reference, signal: AbortSignal | undefined): Promise<TagList> {
    try {
      return readTags(await this.#client.tags(reference, TAGS_ASKED, signal));
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof DeployerError) return { status: 'unknown', why: error.message };
      throw error;
    }
  }
}

function missing(error: DeployerError, reference: Reference, tags: TagList): DeployerError {
  const name = formatReference(reference);
  if (tags.status === 'no-repository') {
    const { code, message, suggestions } = repositoryMissing(reference);
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
      evidence: [
        ...error.evidence,
        near.length === 0 ? 'the repository has no tags' : `tags there: ${near.join(', ')}`,
      ],
      suggestions:
        near.length === 0
          ? [`push it: docker push ${name}`]
          : [`deployer image inspect ${formatReference({ ...reference, tag: near[0] })}`],
    },
  );
}
