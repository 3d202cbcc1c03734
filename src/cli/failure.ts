import { CLIError } from '@oclif/core/errors';
import { DeployerError, asFailure } from '../lib/errors.js';
import { backgroundOf, renderError } from '../ui/error-view.js';
import { annotate, say, type Io } from '../ui/io.js';
import { withOwnCommands } from '../ui/program-name.js';
import { usageError, withoutParserFrame, type CommandShape } from './usage-error.js';

/**
 * What was thrown, as the one kind of error that users meet.
 * @param command the one that ran, for its usage
 */
export function asDeployerError(thrown: unknown, command?: CommandShape): DeployerError {
  if (thrown instanceof DeployerError) {
    thrown.message = withoutParserFrame(thrown.message);
    return thrown;
  }
  if (thrown instanceof CLIError) return usageError(thrown, command);
  return asFailure(thrown);
}

/**
 * The error of a run that was interrupted: whatever it broke off with, the code is `interrupted`, and what was undone
 * stays in message, evidence and details. Only what could not be put back is told by its own code: somebody has to
 * look after it.
 */
export function asInterruption(error: DeployerError): DeployerError {
  if (error.code === 'interrupted' || error.code === 'release_failed') return error;
  const isAbort = error.cause instanceof Error && error.cause.name === 'AbortError';
  return new DeployerError('interrupted', isAbort ? 'interrupted' : `interrupted: ${error.message}`, {
    evidence: error.evidence,
    suggestions: error.code === 'unexpected' ? [] : error.suggestions,
    details: error.details,
    cause: error,
  });
}

/** The error with fields that stand beside `error` in its `--json` document. */
export function withDetails(error: DeployerError, details: object): DeployerError {
  const { code, message, evidence, suggestions, cause } = error;
  return new DeployerError(code, message, {
    evidence,
    suggestions,
    cause,
    details: { ...error.details, ...details },
  });
}

/** Says the failure on stderr, to GitHub's runner too; under `--json` it is the document on stdout too, and with `--quiet` that alone. */
export function present(error: DeployerError, io: Io, underStep = false): void {
  const told = withOwnCommands(io, error.toDocument());
  annotate(io, 'error', [told.message, ...(told.evidence ?? [])].join('\n'));
  if (io.json) {
    const document = { error: told, ...error.details };
    io.stdout.write(`${JSON.stringify(io.redactor.redactDocument(document), null, 2)}\n`);
    if (io.quiet) return;
  }
  const background = io.verbose ? [...backgroundOf(error), ...stackOf(error)] : [];
  say(io, renderError(told, { color: io.color, underStep, background }));
}

// A stack helps with a bug alone; every other failure is explained by its evidence.
function stackOf(error: DeployerError): string[] {
  if (error.code !== 'unexpected' || !(error.cause instanceof Error)) return [];
  return (error.cause.stack ?? '').split('\n').slice(1);
}
