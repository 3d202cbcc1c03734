import { CLIError } from '@oclif/core/errors';
import { DeployerError, asFailure } from '../lib/errors.js';
import { backgroundOf, renderError } from '../ui/error-view.js';
import { say, type Io } from '../ui/io.js';
import { withOwnCommands } from '../ui/program-name.js';

/** What was thrown, as the one kind of error that users meet. */
export function asDeployerError(thrown: unknown): DeployerError {
  if (thrown instanceof DeployerError) {
    thrown.message = withoutParserFrame(thrown.message);
    return thrown;
  }
  if (thrown instanceof CLIError) return usageError(thrown);
  return asFailure(thrown);
}

/**
 * The error of a run that was interrupted: whatever it broke off with, the code is `interrupted`. What was
 * undone, and what could not be, stays in message, evidence and details.
 */
export function asInterruption(error: DeployerError): DeployerError {
  if (error.code === 'interrupted') return error;
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

/** Says the failure on stderr; under `--json` it is the document on stdout too, and with `--quiet` that alone. */
export function present(error: DeployerError, io: Io, underStep = false): void {
  const told = withOwnCommands(io, error.toDocument());
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

// oclif's own errors are about the arguments. Its parse errors carry the whole configuration, the manifest
// and the arguments as properties: only the text goes on.
function usageError(error: CLIError): DeployerError {
  const lines = withoutParserFrame(error.message)
    .split('\n')
    .map((line) => line.trim());
  const [message = '', ...evidence] = lines.filter((line) => line !== '');
  return new DeployerError('usage', message, {
    evidence,
    suggestions: [...(error.suggestions ?? []), 'see the flags and arguments with --help'],
  });
}

// oclif writes its own words around the message of whatever a flag's `parse` throws, and at the end of its own.
function withoutParserFrame(message: string): string {
  return message
    .replace(/^Parsing (--\S+) \n\t/, '$1: ')
    .replace(/^The following errors? occurred:\s+/, '')
    .replace(/\nSee more help with --help$/, '');
}
