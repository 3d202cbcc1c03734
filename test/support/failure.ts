import { inspect } from 'node:util';
import { AssertionError } from 'chai';
import { DeployerError } from '../../src/lib/errors.js';

/** The DeployerError that `work` throws or rejects with. Anything else it does fails the test. */
export async function failureOf(work: () => unknown): Promise<DeployerError> {
  let value: unknown;
  try {
    value = await work();
  } catch (error) {
    return asFailure(error);
  }
  throw succeeded(value);
}

/** As `failureOf`, of what is not asynchronous. */
export function thrownBy(work: () => unknown): DeployerError {
  let value: unknown;
  try {
    value = work();
  } catch (error) {
    return asFailure(error);
  }
  throw succeeded(value);
}

function succeeded(value: unknown): Error {
  return new AssertionError(`it succeeded, with ${inspect(value).slice(0, 500)}`);
}

function asFailure(error: unknown): DeployerError {
  if (error instanceof DeployerError) return error;
  throw error;
}
