import type { Capabilities } from '../image/capabilities.js';
import type { FoundImage, ImageSearch } from '../image/search.js';
import type { ImageShape, ShapeReader } from '../image/shape.js';
import type { Clock } from '../lib/clock.js';
import { DeployerError, type ErrorCode } from '../lib/errors.js';
import { shortDigest } from '../oci/digest.js';
import { ACCEPT_ALL, ACCEPT_DOCKER, mediaTypeName } from '../oci/media-types.js';
import { formatPlatform } from '../oci/platform.js';
import type { Reference } from '../oci/reference.js';
import type { StepVoice } from './steps.js';

/** What was found, and what it really is. */
export interface Found {
  readonly found: FoundImage;
  readonly shape: ImageShape;
  /** milliseconds */
  readonly durationMs: number;
}

export interface SearchRequest {
  /** As the user wrote it. */
  readonly image: string;
  readonly accept: 'all' | 'docker';
}

export interface SearchPorts {
  readonly search: ImageSearch;
  readonly shapes: ShapeReader;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly capabilities: Capabilities;
}

/** A search under way before its step is; what it says early is kept until there is someone to hear it. */
export class Searching {
  readonly #found: Promise<Found>;
  readonly #said: string[] = [];
  #voice: StepVoice | undefined;

  constructor(request: SearchRequest, reference: Reference, ports: SearchPorts) {
    this.#found = this.#search(request, reference, ports);
    // Awaited when its step's turn comes; until then a failure is no unhandled rejection.
    this.#found.catch(() => undefined);
  }

  answer(voice: StepVoice): Promise<Found> {
    this.#voice = voice;
    for (const message of this.#said) voice.log('info', message);
    return this.#found;
  }

  async #search(request: SearchRequest, reference: Reference, ports: SearchPorts): Promise<Found> {
    const { search, shapes, clock, signal } = ports;
    const { lag } = ports.capabilities;
    const accept = request.accept === 'docker' ? ACCEPT_DOCKER : ACCEPT_ALL;
    const started = clock.now();
    try {
      const found = await search.find(reference, {
        accept,
        lagMs: lag?.hosts.includes(reference.domain) === true ? lag.ms : 0,
        signal,
        onWait: (message) =>
          this.#voice === undefined ? this.#said.push(message) : this.#voice.log('info', message),
      });
      const shape = await shapes.read(found, signal);
      return { found, shape, durationMs: clock.now() - started };
    } catch (error) {
      throw error instanceof DeployerError && NOT_THERE.has(error.code)
        ? couldNotFind(error, request.image, accept)
        : error;
    }
  }
}

const NOT_THERE: ReadonlySet<ErrorCode> = new Set([
  'tag_not_found',
  'digest_not_found',
  'repository_not_found',
  'image_form_not_accepted',
]);

/** The sentence that users of flyctl know, and then what was hidden behind it. */
function couldNotFind(error: DeployerError, image: string, accept: readonly string[]): DeployerError {
  const build = `build and push it: docker buildx build --push --tag ${image} .`;
  return new DeployerError(
    error.code,
    `failed to fetch an image or build from source: Could not find image "${image}"`,
    {
      cause: error,
      evidence: [
        error.message,
        ...error.evidence,
        ...(accept === ACCEPT_DOCKER ? ['asked as a client of before 2023 would (--accept docker)'] : []),
      ],
      suggestions: [...error.suggestions, ...(error.code === 'image_form_not_accepted' ? [] : [build])],
    },
  );
}

/** `image found: OCI index sha256:9984b97e…, linux/amd64 + attestation` */
export function describeFound({ stored }: FoundImage, shape: ImageShape): string {
  const platforms = shape.images.flatMap(({ platform }) =>
    platform === undefined ? [] : [formatPlatform(platform)],
  );
  const parts = [...platforms, ...(shape.attestations.length > 0 ? ['attestation'] : [])];
  const content = parts.length === 0 ? '' : `, ${parts.join(' + ')}`;
  return `image found: ${mediaTypeName(stored.content.mediaType)} ${shortDigest(stored.digest)}${content}`;
}
