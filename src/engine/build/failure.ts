import { DeployerError, type ErrorCode } from '../../lib/errors.js';
import { cleanLine } from '../../lib/text.js';
import type { AskedLogins } from '../login.js';
import { lineOfBaseImage } from './base-images.js';
import { baseRefused } from './base-refusal.js';
import { instructionsOf, lineOfStep } from './dockerfile-lines.js';
import { couldNotStart, LOOK_AT_ENGINE } from './engine-fault.js';
import type { FailedStep } from './progress.js';
import {
  agentsNotGiven,
  causeIn,
  foreignPlatform,
  isOfCache,
  notInContext,
  notSent,
  secretsNotGiven,
  type FailedBuild,
} from './step-causes.js';

/** What the engine says of why there is no image. */
export class BuildError extends Error {}

export interface BuildFailure extends FailedBuild {
  /** The engine's words. */
  readonly message: string;
  readonly step: FailedStep | undefined;
  /** The stage that was asked for, and where: `fly.toml:6: build.build-target`. */
  readonly target?: { readonly stage: string; readonly from: string };
  readonly buildArgs?: Readonly<Record<string, string>>;
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
      ? causeIn(said, step)
      : baseRefused({
          ...{ code, reason, step: step?.name, logins },
          dockerfile: { text: dockerfile.text, line, buildArgs },
        })) ??
    notSent(failure, reason, line) ??
    notInContext(failure, reason, line) ??
    secretsNotGiven(failure, line, where, mend) ??
    agentsNotGiven(failure, line, where, mend);
  return new DeployerError(code, text, {
    evidence: [
      ...(step === undefined || isOfCache(step.name) ? [] : [`${where}: ${step.name}`]),
      ...(step?.lines ?? []).map((printed) => `| ${printed}`),
      ...(text.endsWith(reason) ? [] : [reason]),
      ...(explained?.evidence ?? []),
    ],
    suggestions: explained?.suggestions ?? [mend],
  });
}

/** Of BuildKit, of Docker's classic builder, of Podman. */
const NO_SUCH_STAGE =
  /\btarget(?: stage)? .+ (?:could not be found|not found|in Dockerfile)|\btarget .+ was not found/i;

function noSuchStage(
  reason: string,
  { stage, from }: NonNullable<BuildFailure['target']>,
  { name, text }: FailedBuild['dockerfile'],
): DeployerError {
  const stages = instructionsOf(text).flatMap((line) => / AS (\S+)$/i.exec(line.text)?.[1] ?? []);
  return new DeployerError('build_failed', `${from}: ${name} has no stage "${cleanLine(stage, 60)}"`, {
    evidence: [stages.length === 0 ? 'it names none' : `there: ${stages.join(', ')}`, reason],
    suggestions: ['name one of its stages (FROM ... AS STAGE), or none: the last is built'],
  });
}

function syntaxError(reason: string, where: string): DeployerError {
  const what = reason.replace(/^.*parse error(?: on)? line \d+:?\s*/i, '');
  return new DeployerError('build_failed', `${where}: ${what}`, {
    evidence: [reason],
    suggestions: [`mend ${where}, and build again`],
  });
}

function headline(reason: string, step: FailedStep | undefined, where: string): string {
  if (step !== undefined && isOfCache(step.name))
    return `the build failed: ${cleanLine(step.name, 120)}: ${reason}`;
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
