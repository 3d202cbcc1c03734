import type { ImageLocation } from '../image/location.js';
import { DeployerError } from '../lib/errors.js';
import type { TargetPlatform } from './asked-platform.js';
import type { BuildRequest, BuildSource } from './building.js';

/** What a deploy is asked that decides on a build. */
export interface BuildAsked {
  readonly accept: 'all' | 'docker';
  /** When it is built, and from what, if there is something. */
  readonly build: { readonly when: 'missing' | 'always' | 'never'; readonly source?: BuildSource };
  readonly platform?: TargetPlatform | undefined;
}

/** Whether an image is built, as a deploy asks for it. */
export interface BuildWish {
  readonly when: 'missing' | 'always' | 'never';
  /** Undefined where nothing can be built. */
  readonly toBuild?: BuildRequest;
  /** Whether it is built when it is missing. */
  readonly builds: boolean;
  /** Why not, where someone might think that it is. */
  readonly whyNotBuilt?: string;
}

/**
 * What a deploy's flags come to. Pure.
 * @throws DeployerError `usage` where they contradict each other
 */
export function buildWish(
  { accept, build: { when, source }, platform }: BuildAsked,
  location: ImageLocation,
): BuildWish {
  if (location.kind !== 'registry') {
    if (accept === 'docker')
      throw usage(
        '--accept is about what a registry is asked with',
        'leave it out: the image is read from a file',
      );
    if (when === 'always')
      throw usage(
        '--build always: the image is read from a file',
        'name what is built: --image REGISTRY/NAME:TAG',
      );
    const asking = source?.named ?? [];
    if (asking.length > 0)
      throw usage(
        `${asking.join(', ')}: the image is read from a file, and nothing is built`,
        'leave out one or the other; what is built gets a name: --image REGISTRY/NAME:TAG',
      );
    return { when, builds: false };
  }
  const { digest, tag = 'latest', ...name } = location.reference;
  if (when === 'always') {
    if (digest !== undefined)
      throw usage(
        '--build always: a digest is what a build gives, not what it takes',
        'name a tag: --image REF:TAG',
      );
    if (accept === 'docker')
      throw usage(
        '--build always: nothing is searched for that --accept could be about',
        'leave one of them out',
      );
  }
  if (source === undefined) {
    return { when, builds: false, ...(when === 'never' ? { whyNotBuilt: '--build never' } : {}) };
  }
  if (digest !== undefined)
    return { when, builds: false, whyNotBuilt: 'a digest is what a build gives, not what it takes' };
  if (accept === 'docker')
    return { when, builds: false, whyNotBuilt: 'what a client of old does not find may well be there' };
  return { when, builds: true, toBuild: { source, reference: { ...name, tag }, platform } };
}

function usage(message: string, suggestion: string): DeployerError {
  return new DeployerError('usage', message, { suggestions: [suggestion] });
}
