import { DeployerError } from '../../lib/errors.js';
import { failingChecks } from './health.js';
import type { Machine } from './machine.js';

/** What a check was answered, in a sentence of Fly's or the emulator's: `404 Not Found`. */
const STATUS = /(?:^|[^\d.:/])([345]\d\d)(?= [A-Z])/;

/**
 * Says what mends it when a machine's check is answered, and not as it should be.
 * @param error what ended the wait; whatever else it is comes back as it is
 */
export function explainAnswer(error: unknown, machine: Machine | undefined): unknown {
  if (!(error instanceof DeployerError) || error.code !== 'timed_out' || machine === undefined) return error;
  const said = failingChecks(machine).map(({ output }) => STATUS.exec(output ?? '')?.[1]);
  const status = said.find((each) => each !== undefined);
  if (status === undefined) return error;
  return new DeployerError(error.code, `${error.message}: its check is answered with ${status}`, {
    cause: error,
    evidence: error.evidence,
    suggestions: [mendOf(status), ...error.suggestions],
  });
}

function mendOf(status: string): string {
  const path = '`path` of [[http_service.checks]]';
  if (status.startsWith('5')) return `the app listens, and fails at ${path}: see what it logs`;
  if (status === '401' || status === '403')
    return `the app listens: let ${path} name a page that takes no login`;
  if (status.startsWith('3'))
    return `the app listens: let ${path} name a page that answers itself, not with a redirect`;
  return `the app listens: let ${path} name a page that it has, or let it answer there with 200`;
}
