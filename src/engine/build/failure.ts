import { DeployerError, type ErrorCode } from '../../lib/errors.js';
import { cleanLine } from '../../lib/text.js';
import { formatPlatform } from '../../oci/platform.js';
import type { Platform } from '../../oci/descriptor.js';
import type { LeftOut } from '../context/left-out.js';
import type { AskedLogins } from '../login.js';
import { lineOfBaseImage } from './base-images.js';
import { baseRefused } from './base-refusal.js';
import { copiedBy } from './copied-paths.js';
import { instructionsOf, lineOfStep } from './dockerfile-lines.js';
import { couldNotStart, LOOK_AT_ENGINE } from './engine-fault.js';
import type { FailedStep } from './progress.js';
import { mountedSecrets } from './secret-mounts.js';

/** What the engine says of why there is no image. */
export class BuildError extends Error {}

export interface BuildFailure {
  /** The engine's words. */
  readonly message: string;
  readonly step: FailedStep | undefined;
  readonly dockerfile: { readonly name: string; readonly text: string };
  /** The stage that was asked for, and where: `fly.toml:6: build.build-target`. */
  readonly target?: { readonly stage: string; readonly from: string };
  readonly platforms?: {
    /** What was asked for; none: the host's own. */
    readonly asked: readonly Platform[];
    /** `linux/amd64` */
    readonly host: string;
  };
  readonly buildArgs?: Readonly<Record<string, string>>;
  /** Of what the Dockerfile copies from the context (copied-paths.ts), what the build did not get. */
  readonly leftOut?: readonly LeftOut[];
  /** The ids that were given; undefined where the builder takes no secrets. */
  readonly secrets?: readonly string[];
  /** Of the registries that the build had to do with. */
  readonly logins?: AskedLogins;
}

/** Words that BuildKit and the frontend put before what went wrong. */
const PREFIXES =
  /^(?:rpc error: code = \w+ desc = |failed to solve(?: with frontend [\w.]+)?: |failed to (?:create LLB definition|read dockerfile|build LLB|compute cache key): |failed to load cache key: )/;

/** Why a build failed, with the line of the Dockerfile and what the step printed last. */
export function buildFailed(failure: BuildFailure): DeployerError {
  const { message, step, dockerfile, target, platforms, buildArgs = {}, logins = new Map() } = failure;
  const reason = withoutPrefixes(cleanLine(message, 1000));
  if (target !== undefined && NO_SUCH_STAGE.test(reason)) return noSuchStage(reason, target, dockerfile);
  const syntaxLine = /parse error(?: on)? line (\d+)/i.exec(reason)?.[1];
  if (syntaxLine !== undefined) return syntaxError(reason, `${dockerfile.name}:${syntaxLine}`);
  const line =
    step &&
    (lineOfStep(dockerfile.text, step.name) ?? lineOfBaseImage(dockerfile.text, buildArgs, step.name));
  const where = line === undefined ? dockerfile.name : `${dockerfile.name}:${line}`;
  const code = codeOf(reason);
  const said = [reason, ...(step?.lines ?? [])];
  const isEngines = couldNotStart(reason, step);
  const text = isEngines && step ? notStarted(step, where) : headline(reason, step, where);
  const mend = `mend ${where} or what it works on, and build again`;
  const explained =
    foreignPlatform(said, step, platforms) ??
    (isEngines ? { suggestions: LOOK_AT_ENGINE } : undefined) ??
    (code === 'build_failed'
      ? causeIn(said)
      : baseRefused({
          ...{ code, reason, step: step?.name, logins },
          dockerfile: { text: dockerfile.text, line, buildArgs },
        })) ??
    notSent(failure, reason, line) ??
    secretsNotGiven(failure, line, where, mend);
  return new DeployerError(code, text, {
    evidence: [
      ...(step === undefined ? [] : [`${where}: ${step.name}`]),
      ...(step?.lines ?? []).map((printed) => `| ${printed}`),
      ...(text.endsWith(reason) ? [] : [reason]),
      ...(explained?.evidence ?? []),
    ],
    suggestions: explained?.suggestions ?? [mend],
  });
}

/** Why a step failed, beyond its own words. */
interface Explanation {
  readonly evidence?: readonly string[];
  readonly suggestions: readonly string[];
}

/** Of BuildKit, of Docker's classic builder, of Podman. */
const NO_SUCH_STAGE =
  /\btarget(?: stage)? .+ (?:could not be found|not found|in Dockerfile)|\btarget .+ was not found/i;

function noSuchStage(
  reason: string,
  { stage, from }: NonNullable<BuildFailure['target']>,
  { name, text }: BuildFailure['dockerfile'],
): DeployerError {
  const stages = instructionsOf(text).flatMap((line) => / AS (\S+)$/i.exec(line.text)?.[1] ?? []);
  return new DeployerError('build_failed', `${from}: ${name} has no stage "${cleanLine(stage, 60)}"`, {
    evidence: [stages.length === 0 ? 'it names none' : `there: ${stages.join(', ')}`, reason],
    suggestions: ['name one of its stages (FROM ... AS STAGE), or none: the last is built'],
  });
}

/** A program for another processor than the host's, where nothing there emulates it. */
function foreignPlatform(
  said: readonly string[],
  step: FailedStep | undefined,
  platforms: BuildFailure['platforms'],
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

function causeIn(said: readonly string[]): Explanation | undefined {
  const anyOf = (words: RegExp): boolean => said.some((line) => words.test(line));
  if (anyOf(/no space left on device/i))
    return { suggestions: ["make room on the engine's disk: docker system df, docker builder prune"] };
  // The frontend's or the engine's own requests: a RUN that fails at them prints other words.
  if (
    anyOf(/^(?:.*: )?(?:failed to do request|Get "https?:|Head "https?:).*(?:dial tcp|lookup |i\/o timeout)/)
  ) {
    const reach =
      'check that the engine reaches the registry of the base image: its DNS and proxy are its own';
    return { suggestions: [reach] };
  }
  return undefined;
}

/** BuildKit mounts nothing in the place of one that is not required: the step finds no file, and says what it will. */
function secretsNotGiven(
  { dockerfile, secrets: given }: BuildFailure,
  line: number | undefined,
  where: string,
  mend: string,
): Explanation | undefined {
  const failed = instructionsOf(dockerfile.text).find((instruction) => instruction.line === line);
  if (failed === undefined || given === undefined) return undefined;
  const ids = mountedSecrets(failed.text).filter((id) => !given.includes(id));
  if (ids.length === 0) return undefined;
  const flags = ids.map((id) => `--build-secret id=${cleanLine(id, 60)},src=FILE`).join(' ');
  return {
    evidence: ids.map((id) => `${where} mounts the secret "${cleanLine(id, 60)}", which was not given`),
    suggestions: [`give the step its secret${ids.length === 1 ? '' : 's'}: ${flags}`, mend],
  };
}

/** The engine does not know of a file that an ignore file keeps from it. */
function notSent(
  { dockerfile, leftOut = [] }: BuildFailure,
  reason: string,
  line: number | undefined,
): Explanation | undefined {
  if (!/not found|no such file|does not exist|filtered out|no source files/i.test(reason)) return undefined;
  const failed = instructionsOf(dockerfile.text).find((instruction) => instruction.line === line);
  const sources = failed === undefined ? [] : copiedBy(failed.text);
  const [file] = leftOut.filter(({ path }) => sources.includes(path));
  if (file === undefined) return undefined;
  const [by, pattern] = [`${file.by}:${file.line}`, cleanLine(file.pattern, 80)];
  return {
    evidence: [`${cleanLine(file.path)} is there, and left out of the build: ${by}: ${pattern}`],
    suggestions: [
      `take the pattern out of ${by}, or take the file back in after it: !${cleanLine(file.path)}`,
    ],
  };
}

function syntaxError(reason: string, where: string): DeployerError {
  const what = reason.replace(/^.*parse error(?: on)? line \d+:?\s*/i, '');
  return new DeployerError('build_failed', `${where}: ${what}`, {
    evidence: [reason],
    suggestions: [`mend ${where}, and build again`],
  });
}

function headline(reason: string, step: FailedStep | undefined, where: string): string {
  const exit = /(?:exit code:|non-zero code:|exit status) (\d+)/.exec(reason)?.[1];
  if (exit !== undefined && step !== undefined) {
    return `the build failed: ${where}: ${instructionOf(step)} ended with exit code ${exit}`;
  }
  return `the build failed: ${step === undefined ? '' : `${where}: `}${reason}`;
}

function notStarted(step: FailedStep, where: string): string {
  return `the build failed: the engine could not start the step of ${where}: ${instructionOf(step)}`;
}

function instructionOf(step: FailedStep): string {
  return cleanLine(step.name.replace(/^\[[^\]]*\]\s*/, ''), 120);
}

function withoutPrefixes(message: string): string {
  let rest = message;
  for (;;) {
    const next = rest.replace(PREFIXES, '');
    if (next === rest) return rest;
    rest = next;
  }
}

/** What a registry refuses to the build is not the Dockerfile's fault. */
function codeOf(reason: string): ErrorCode {
  if (
    /401 Unauthorized|authorization failed|failed to authorize|no basic auth credentials|authentication required/i.test(
      reason,
    )
  ) {
    return 'registry_unauthorized';
  }
  return /403 Forbidden|insufficient_scope|pull access denied/i.test(reason)
    ? 'registry_denied'
    : 'build_failed';
}
