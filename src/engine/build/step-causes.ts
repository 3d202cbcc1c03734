import { cleanLine } from '../../lib/text.js';
import type { Platform } from '../../oci/descriptor.js';
import { formatPlatform } from '../../oci/platform.js';
import type { LeftOut } from '../context/left-out.js';
import { copiedBy, outsideOf } from './copied-paths.js';
import { instructionsOf } from './dockerfile-lines.js';
import { mountedIn } from './mounts.js';
import type { FailedStep } from './progress.js';

/** What is known of a build that failed, beside its words. */
export interface FailedBuild {
  readonly dockerfile: { readonly name: string; readonly text: string };
  readonly platforms?: {
    /** What was asked for; none: the host's own. */
    readonly asked: readonly Platform[];
    /** `linux/amd64` */
    readonly host: string;
  };
  /** Of what the Dockerfile copies from the context (copied-paths.ts), what the build did not get. */
  readonly leftOut?: readonly LeftOut[];
  /** The ids that were given; undefined where the builder takes no secrets. */
  readonly secrets?: readonly string[];
  /** The ids of those that were lent; undefined where the builder takes none. */
  readonly sshAgents?: readonly string[];
}

/** Why a step failed, beyond its own words. */
export interface Explanation {
  readonly evidence?: readonly string[];
  readonly suggestions: readonly string[];
}

/** A program for another processor than the host's, where nothing there emulates it. */
export function foreignPlatform(
  said: readonly string[],
  step: FailedStep | undefined,
  platforms: FailedBuild['platforms'],
): Explanation | undefined {
  if (platforms === undefined || !said.some((line) => /exec format error/i.test(line))) return undefined;
  const { asked, host } = platforms;
  // With several platforms each step names its own.
  const [, named] = /^\[([a-z]+\/[\w/]+)(?:->\S+)? /.exec(step?.name ?? '') ?? [];
  const platform = named ?? (asked[0] && formatPlatform(asked[0]));
  const [, architecture] = platform?.split('/') ?? [];
  if (platform === undefined || architecture === host.split('/')[1]) return undefined;
  return {
    evidence: [`the step is for ${platform}; the engine's host is ${host}, and runs no programs of others`],
    suggestions: [
      `let it run them: docker run --privileged --rm tonistiigi/binfmt --install ${architecture}`,
      `or build for its own platform: --platform ${host}`,
    ],
  };
}

/** What no step of a Dockerfile is to blame for: a full disk, and a network without a way. */
export function causeIn(said: readonly string[], step: FailedStep | undefined): Explanation | undefined {
  if (said.some((line) => /no space left on device/i.test(line)))
    return { suggestions: ["make room on the engine's disk: docker system df, docker builder prune"] };
  const unreached = said.find((line) => UNREACHED.test(line));
  return unreached === undefined ? undefined : notReached(unreached, step);
}

/** The frontend's or the engine's own requests: a RUN that fails at them prints other words. */
const UNREACHED =
  /^(?:.*: )?(?:failed to do request|Get "https?:|Head "https?:).*(?:dial tcp|lookup |i\/o timeout)/;

function notReached(words: string, step: FailedStep | undefined): Explanation {
  const [, host = 'it'] = /"https?:\/\/([^/"]+)/.exec(words) ?? [];
  const name = step?.name ?? '';
  const reach = (whose: string): string =>
    `check that the engine reaches ${whose}: its DNS and proxy are its own`;
  if (isOfCache(name)) {
    const without = 'or let the build go on without it: --cache-to type=registry,ref=REF,ignore-error=true';
    return { suggestions: [reach(`the registry of the cache, ${host}`), without] };
  }
  if (name.startsWith('resolve image config for '))
    return { suggestions: [reach(`the registry of the image that "# syntax=" names, ${host}`)] };
  if (/^(?:\[[^\]]*\] ADD (?:--\S+ )*)?https?:\/\//.test(name)) return { suggestions: [reach(host)] };
  return { suggestions: [reach('the registry of the base image')] };
}

/**
 * No step of the Dockerfile: what `--cache-to` and `--cache-from` ask for.
 * @param step its name
 */
export function isOfCache(step = ''): boolean {
  return /^(?:exporting|importing) cache\b/.test(step);
}

/** BuildKit mounts nothing in the place of one that is not required: the step finds no file, and says what it will. */
export function secretsNotGiven(
  build: FailedBuild,
  line: number | undefined,
  where: string,
  mend: string,
): Explanation | undefined {
  const ids = notGiven('secret', build.secrets, instructionAt(build, line));
  if (ids.length === 0) return undefined;
  const flags = ids.map((id) => `--build-secret id=${id},src=FILE`).join(' ');
  return {
    evidence: ids.map((id) => `${where} mounts the secret "${id}", which was not given`),
    suggestions: [`give the step its secret${ids.length === 1 ? '' : 's'}: ${flags}`, mend],
  };
}

/** As of secrets. */
export function agentsNotGiven(
  build: FailedBuild,
  line: number | undefined,
  where: string,
  mend: string,
): Explanation | undefined {
  const ids = notGiven('ssh', build.sshAgents, instructionAt(build, line));
  if (ids.length === 0) return undefined;
  const flags = ids.map((id) => `--ssh ${id === 'default' ? id : `${id}=SOCKET`}`).join(' ');
  return {
    evidence: ids.map((id) => `${where} mounts the ssh agent "${id}", which was not given`),
    suggestions: [`lend the step its ssh agent${ids.length === 1 ? '' : 's'}: ${flags}`, mend],
  };
}

function notGiven(
  type: 'secret' | 'ssh',
  given: readonly string[] | undefined,
  instruction: string,
): readonly string[] {
  if (given === undefined) return [];
  return mountedIn(instruction, type)
    .filter((id) => !given.includes(id))
    .map((id) => cleanLine(id, 60));
}

/** What failed, in one line; empty where that is not known. */
function instructionAt({ dockerfile }: FailedBuild, line: number | undefined): string {
  return instructionsOf(dockerfile.text).find((instruction) => instruction.line === line)?.text ?? '';
}

const NOT_THERE =
  /not found|no such file|does not exist|filtered out|no source files|outside the build context/i;

/** The engine does not know of a file that an ignore file keeps from it. */
export function notSent(
  build: FailedBuild,
  reason: string,
  line: number | undefined,
): Explanation | undefined {
  if (!NOT_THERE.test(reason)) return undefined;
  const sources = copiedBy(instructionAt(build, line));
  const [file] = (build.leftOut ?? []).filter(({ path }) => sources.includes(path));
  if (file === undefined) return undefined;
  const [by, pattern] = [`${file.by}:${file.line}`, cleanLine(file.pattern, 80)];
  return {
    evidence: [`${cleanLine(file.path)} is there, and left out of the build: ${by}: ${pattern}`],
    suggestions: [
      `take the pattern out of ${by}, or take the file back in after it: !${cleanLine(file.path)}`,
    ],
  };
}

/** BuildKit takes `../x` for `/x`, and finds none; the classic builder says what it is. */
export function notInContext(
  build: FailedBuild,
  reason: string,
  line: number | undefined,
): Explanation | undefined {
  if (!NOT_THERE.test(reason)) return undefined;
  const outside = outsideOf(instructionAt(build, line));
  if (outside.length === 0) return undefined;
  const named = outside.map((source) => cleanLine(source, 120)).join(', ');
  return {
    evidence: [`${named}: outside of the context, which is all that COPY reads from`],
    suggestions: [
      'put it into the context, or build with a folder above as the context, and name the Dockerfile: --dockerfile FILE',
    ],
  };
}
