import { DeployerError } from '../../lib/errors.js';
import { cleanLine } from '../../lib/text.js';
import type { Platform } from '../../oci/descriptor.js';
import { choosePlatform, formatPlatform, normalisePlatform, parsePlatform } from '../../oci/platform.js';
import type { Engine } from '../engine.js';
import { instructionsOf } from './dockerfile-lines.js';

/** A platform that a Dockerfile itself gives its image, whatever a build asks for. */
export interface PinnedPlatform {
  /** From 1. */
  readonly line: number;
  /** As it is written: `linux/arm64`, `$BUILDPLATFORM`. */
  readonly platform: string;
}

interface Origin {
  /** What the last FROM on the way names; `scratch` for nothing at all. */
  readonly base: string;
  readonly pinned?: PinnedPlatform;
}

/**
 * What the image begins with: the base of the stage that is built, through the stages before it.
 * @param target the stage's name or number; the last unless told
 */
export function originOf(dockerfile: string, target?: string): Origin {
  const stages = instructionsOf(dockerfile).flatMap(({ line, text }) => {
    const [keyword, ...words] = text.split(' ');
    if (keyword !== 'FROM') return [];
    const [base = '', , name = ''] = words.filter((word) => !word.startsWith('--'));
    const platform = words.find((word) => word.startsWith('--platform='))?.slice('--platform='.length);
    return [{ line, base, name: name.toLowerCase(), platform }];
  });
  const named = stages.findIndex(({ name }, at) => name === target?.toLowerCase() || String(at) === target);
  for (let at = target === undefined || named === -1 ? stages.length - 1 : named; ;) {
    const stage = stages[at];
    if (stage === undefined) return { base: '' };
    const { line, base, platform } = stage;
    if (platform !== undefined && !platform.includes('TARGETPLATFORM'))
      return { base, pinned: { line, platform: cleanLine(platform, 60) } };
    const before = stages.slice(0, at).findLastIndex(({ name }) => name === base.toLowerCase());
    if (before === -1) return { base };
    at = before;
  }
}

/**
 * What the image of a classic build has to be for: what was asked, or of nothing at all the engine's own. Undefined
 * where the base image or the Dockerfile decides.
 */
export function platformDue(
  [asked]: readonly Platform[],
  { base, pinned }: Origin,
  hostPlatform: string,
): Platform | undefined {
  if (pinned !== undefined) return undefined;
  return asked ?? (base === 'scratch' ? parsePlatform(hostPlatform, 'the engine') : undefined);
}

/** Whether what is for one platform is what was asked for another: that one, or a lower variant that it runs. */
export function isFor(wanted: Platform, found: Platform): boolean {
  const [one, other] = [normalisePlatform(wanted), normalisePlatform(found)];
  // Engines leave variants out.
  if (!found.variant) return one.os === other.os && one.architecture === other.architecture;
  return choosePlatform(wanted, [found], (platform) => platform) !== undefined;
}

/** As the engine has it; its word at the end of a build does not say. */
export async function platformOf(id: string, engine: Engine, signal: AbortSignal): Promise<Platform> {
  const found = Object(await engine.json({ path: `/images/${id}/json`, signal })) as Readonly<
    Record<'Os' | 'Architecture' | 'Variant', unknown>
  >;
  const [os, architecture, variant] = [found.Os, found.Architecture, found.Variant].map((part) =>
    typeof part === 'string' ? cleanLine(part, 40) : '',
  );
  return { os: os ?? '', architecture: architecture ?? '', ...(variant ? { variant } : {}) };
}

/** @param name the engine's: `Podman 4.3.1, which has no BuildKit,` */
export function otherPlatform(
  wanted: Platform,
  found: Platform,
  { base }: Origin,
  name: string,
): DeployerError {
  const [due, is] = [formatPlatform(wanted), formatPlatform(found)];
  return new DeployerError('build_failed', `the image is for ${is}, not for ${due}, which was asked for`, {
    evidence: [`${name} made it so, also without its cache`, `the base image: ${cleanLine(base, 200)}`],
    suggestions: [
      `begin with a base image for ${due}; one that the engine has for another platform goes with: docker rmi ${cleanLine(base, 200)}`,
      `or build for what it is: --platform ${is}`,
    ],
  });
}
