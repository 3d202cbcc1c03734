import { DeployerError, type ErrorCode } from '../../lib/errors.js';
import { cleanLine } from '../../lib/text.js';
import { lineOfStep } from './dockerfile-lines.js';
import type { FailedStep } from './progress.js';

/** What the engine says of why there is no image. */
export class BuildError extends Error {}

export interface BuildFailure {
  /** The engine's words. */
  readonly message: string;
  readonly step: FailedStep | undefined;
  readonly dockerfile: { readonly name: string; readonly text: string };
}

/** Words that BuildKit and the frontend put before what went wrong. */
const PREFIXES =
  /^(?:rpc error: code = \w+ desc = |failed to solve(?: with frontend [\w.]+)?: |failed to (?:create LLB definition|read dockerfile|build LLB|compute cache key): |failed to load cache key: )/;

/** Why a build failed, with the line of the Dockerfile and what the step printed last. */
export function buildFailed({ message, step, dockerfile }: BuildFailure): DeployerError {
  const reason = withoutPrefixes(cleanLine(message, 1000));
  const syntaxLine = /parse error(?: on)? line (\d+)/i.exec(reason)?.[1];
  if (syntaxLine !== undefined) return syntaxError(reason, `${dockerfile.name}:${syntaxLine}`);
  const line = step === undefined ? undefined : lineOfStep(dockerfile.text, step.name);
  const where = line === undefined ? dockerfile.name : `${dockerfile.name}:${line}`;
  const code = codeOf(reason);
  return new DeployerError(code, headline(reason, step, where), {
    evidence: [
      ...(step === undefined ? [] : [`${where}: ${step.name}`]),
      ...(step?.lines ?? []).map((printed) => `| ${printed}`),
      reason,
    ],
    suggestions: suggestionsFor(code, where, [reason, ...(step?.lines ?? [])]),
  });
}

function suggestionsFor(code: ErrorCode, where: string, said: readonly string[]): string[] {
  if (code !== 'build_failed') {
    return ['log in to the registry of the base image: docker login HOST', 'check the name in the FROM line'];
  }
  const anyOf = (words: RegExp): boolean => said.some((line) => words.test(line));
  if (anyOf(/no space left on device/i))
    return ["make room on the engine's disk: docker system df, docker builder prune"];
  // The frontend's or the engine's own requests: a RUN that fails at them prints other words.
  if (
    anyOf(/^(?:.*: )?(?:failed to do request|Get "https?:|Head "https?:).*(?:dial tcp|lookup |i\/o timeout)/)
  )
    return ['check that the engine reaches the registry of the base image: its DNS and proxy are its own'];
  return [`mend ${where} or what it works on, and build again`];
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
