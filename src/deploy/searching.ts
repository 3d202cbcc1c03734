import type { DeployConfig } from '../config/deploy-config.js';
import type { Capabilities } from '../image/capabilities.js';
import type { ImageLocation } from '../image/location.js';
import { openSource, type OpenSourcePorts } from '../image/open-source.js';
import { isPrivate, type PrivacyPorts } from '../image/privacy.js';
import { readShape, type ImageShape } from '../image/shape.js';
import { RegistrySource } from '../image/sources/registry-source.js';
import type { ImageSource } from '../image/sources/source.js';
import type { StoredManifest } from '../image/stored-manifest.js';
import type { Clock } from '../lib/clock.js';
import { DeployerError, type ErrorCode } from '../lib/errors.js';
import { shortDigest } from '../oci/digest.js';
import { ACCEPT_ALL, ACCEPT_DOCKER, mediaTypeName } from '../oci/media-types.js';
import { formatPlatform } from '../oci/platform.js';
import type { Reference } from '../oci/reference.js';
import type { StepVoice } from './steps.js';

/** What was found, and what it really is. */
export interface Found {
  readonly stored: StoredManifest;
  readonly shape: ImageShape;
  /** Where it can be read from, this very image and no later one. */
  readonly source: ImageSource;
  /** Undefined when it lies in no registry. */
  readonly reference?: Reference;
  /** Its registry gives it to those alone who are logged in there. */
  readonly isPrivate: boolean;
}

/** It is in no registry, by the registry's own word: it can be built. */
export interface Missing {
  readonly missing: DeployerError;
}

/** What came of a search, with its milliseconds. */
export type Answer = (Found | Missing) & { readonly durationMs: number };

export interface SearchRequest {
  /** As the user wrote it. */
  readonly image: string;
  readonly accept: 'all' | 'docker';
  readonly config: Pick<DeployConfig, 'appFlags'>;
  /** Whether it is built when it is missing. */
  readonly builds: boolean;
  /** Why not, where someone might think that it is. */
  readonly whyNotBuilt?: string;
}

export interface SearchPorts extends OpenSourcePorts {
  /** Asked about images in a registry that is not the target's own. */
  readonly privacy?: PrivacyPorts | undefined;
  readonly clock: Clock;
  readonly capabilities: Capabilities;
}

/** A search under way before its step is; what it says early is kept until there is someone to hear it. */
export class Searching {
  readonly title: string;
  readonly #answer: Promise<Answer>;
  readonly #said: string[] = [];
  #voice: StepVoice | undefined;

  constructor(request: SearchRequest, location: ImageLocation, ports: SearchPorts) {
    this.title =
      location.kind === 'registry'
        ? `Searching for image '${request.image}' remotely...`
        : `Read image '${request.image}'`;
    this.#answer = this.#find(request, location, ports);
    // Awaited when its step's turn comes; until then a failure is no unhandled rejection.
    this.#answer.catch(() => undefined);
  }

  answer(voice: StepVoice): Promise<Answer> {
    this.#voice = voice;
    for (const message of this.#said) voice.log('info', message);
    return this.#answer;
  }

  /** Frees what was opened. */
  async close(): Promise<void> {
    const answer = await this.#answer.catch(() => undefined);
    if (answer !== undefined && 'source' in answer) await answer.source.close();
  }

  async #find(request: SearchRequest, location: ImageLocation, ports: SearchPorts): Promise<Answer> {
    const started = ports.clock.now();
    const answer = await (location.kind === 'registry'
      ? this.#search(request, location.reference, ports)
      : read(location, ports));
    return { ...answer, durationMs: ports.clock.now() - started };
  }

  async #search(request: SearchRequest, reference: Reference, ports: SearchPorts): Promise<Found | Missing> {
    const { lag } = ports.capabilities;
    const longest = request.builds ? LONGEST_WAIT_BEFORE_BUILD_MS : Infinity;
    const accept = request.accept === 'docker' ? ACCEPT_DOCKER : ACCEPT_ALL;
    const inSentence = (error: unknown): unknown =>
      error instanceof DeployerError && NOT_THERE.has(error.code)
        ? couldNotFind(error, request, accept)
        : error;
    let stored: StoredManifest;
    try {
      ({ stored } = await ports.search.find(reference, {
        accept,
        lagMs: lag?.hosts.includes(reference.domain) === true ? Math.min(lag.ms, longest) : 0,
        signal: ports.signal,
        onWait: (message) =>
          this.#voice === undefined ? this.#said.push(message) : this.#voice.log('info', message),
      }));
    } catch (error) {
      if (request.builds && error instanceof DeployerError && BUILDABLE.has(error.code))
        return { missing: error };
      throw inSentence(error);
    }
    // A part that is missing is no missing image: nothing is built over it.
    return lookAt(reference, stored, ports).catch((error: unknown) => {
      throw inSentence(error);
    });
  }
}

/** What lies in a registry, and whether strangers can have it. */
export async function lookAt(
  reference: Reference,
  stored: StoredManifest,
  ports: Pick<SearchPorts, 'privacy' | 'signal'> & OpenSourcePorts,
): Promise<Found> {
  const source = new RegistrySource({ ...reference, digest: stored.digest }, ports);
  const [shape, hidden] = await Promise.all([
    readShape(source, stored),
    ports.privacy !== undefined && isPrivate(reference, ports.privacy, ports.signal),
  ]);
  return { stored, shape, source, reference, isPrivate: hidden };
}

/** Out of a layout or an archive. */
async function read(location: ImageLocation, ports: OpenSourcePorts): Promise<Found> {
  const source = await openSource(location, ports);
  try {
    const stored = await source.root();
    return { stored, shape: await readShape(source, stored), source, isPrivate: false };
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** A build takes longer than a push takes to be seen: no need to wait as long as for an image that can only be found. */
const LONGEST_WAIT_BEFORE_BUILD_MS = 4000;

/** By the registry's own word there is no such image. A digest is what a build gives: none can be built. */
const BUILDABLE: ReadonlySet<ErrorCode> = new Set(['tag_not_found', 'repository_not_found']);

const NOT_THERE: ReadonlySet<ErrorCode> = new Set([
  'tag_not_found',
  'digest_not_found',
  'repository_not_found',
  'image_form_not_accepted',
]);

/** The sentence that users of flyctl know, and then what was hidden behind it. */
function couldNotFind(
  error: DeployerError,
  { image, whyNotBuilt, config }: SearchRequest,
  accept: readonly string[],
): DeployerError {
  const suggestion = BUILDABLE.has(error.code)
    ? [`build it from this directory: deployer deploy . --image ${image}${config.appFlags}`]
    : [];
  return new DeployerError(
    error.code,
    `failed to fetch an image or build from source: Could not find image "${image}"`,
    {
      cause: error,
      evidence: [
        error.message,
        ...error.evidence,
        ...(accept === ACCEPT_DOCKER ? ['asked as a client of before 2023 would (--accept docker)'] : []),
        ...(whyNotBuilt === undefined ? [] : [`nothing is built: ${whyNotBuilt}`]),
      ],
      suggestions: [...error.suggestions, ...suggestion],
    },
  );
}

/** `image found: OCI index sha256:9984b97e…, linux/amd64 + attestation` */
export function describeFound({ stored, shape }: Pick<Found, 'stored' | 'shape'>): string {
  const platforms = shape.images.flatMap(({ platform }) =>
    platform === undefined ? [] : [formatPlatform(platform)],
  );
  const parts = [...platforms, ...(shape.attestations.length > 0 ? ['attestation'] : [])];
  const content = parts.length === 0 ? '' : `, ${parts.join(' + ')}`;
  return `image found: ${mediaTypeName(stored.content.mediaType)} ${shortDigest(stored.digest)}${content}`;
}

/** Of an image that is built instead. */
export function describeMissing({ missing }: Missing): string {
  const part = missing.code === 'repository_not_found' ? 'repository' : 'tag';
  return `not there: the registry knows no such ${part}; it is built`;
}
