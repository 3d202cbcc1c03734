import type { Clock } from '../lib/clock.js';
import { prepareToHash } from '../oci/digest.js';
import { ACCEPT_ALL } from '../oci/media-types.js';
import { manifestNameOf, type Reference } from '../oci/reference.js';
import type { RegistryClient } from '../registry/client.js';
import { explainMissing, isMissing, listTags } from './missing-image.js';
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

const PAUSE_MS = 2000;
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
      const asked = this.#client.manifest(reference, { accept, atOnce, ...(signal ? { signal } : {}) });
      prepareToHash();
      const answer = await asked;
      try {
        return { reference, stored: verifyManifest(answer, reference) };
      } catch (error) {
        if (!isMissing(error)) throw error;
        const tags = await listTags(this.#client, reference, { signal });
        const listed =
          reference.digest === undefined &&
          tags.status === 'listed' &&
          tags.tags.includes(manifestNameOf(reference));
        const patience = Math.max(options.lagMs ?? 0, listed ? LISTED_LAG_MS : 0);
        if (this.#clock.now() - started + PAUSE_MS > patience) throw explainMissing(error, reference, tags);
        onWait?.(
          listed
            ? `${reference.domain} lists the tag, but does not have its manifest yet; asking again`
            : `not there yet; ${reference.domain} may take some seconds to show a fresh push, asking again`,
        );
        await this.#clock.sleep(PAUSE_MS, signal);
      }
    }
  }
}
