import { DeployerError } from '../../lib/errors.js';
import { cleanLine } from '../../lib/text.js';
import type { LeaseData, Machine } from './machine.js';

/** What is said when another deploy of the app is in the way. The errors are `locked`. */

/** The last moment that a Date can tell, in seconds. */
const LATEST_DATE_S = 8.64e12;

/** The API's refusal names the owner; the lease itself tells what for. */
export function describeHolder(lease: LeaseData | undefined, said: string): string {
  if (lease === undefined) return cleanLine(said);
  const parts = [
    `held by ${lease.owner ?? 'an unknown owner'}`,
    ...(lease.description ? [`"${lease.description}"`] : []),
    ...(lease.expires_at && lease.expires_at < LATEST_DATE_S
      ? [`until ${new Date(lease.expires_at * 1000).toISOString()}`]
      : []),
  ];
  return cleanLine(parts.join(', '));
}

export function lockedByAnother(app: string, id: string, holder: string): DeployerError {
  return new DeployerError('locked', `machine ${id} is locked by another deploy: ${holder}`, {
    suggestions: [
      'wait for the other deploy to end, or wait longer: --lock-wait 30m',
      `deployer status -a ${app}`,
    ],
  });
}

export function machineCreatedByAnother(app: string, { id }: Machine, cause: unknown): DeployerError {
  return new DeployerError(
    'locked',
    `another deploy of ${app} has created machine ${id} meanwhile: both were its first`,
    { suggestions: whenItHasEnded(app), cause },
  );
}

export function appCreatedByAnother(app: string, cause: unknown): DeployerError {
  return new DeployerError('locked', `app ${app} was created meanwhile, by another deploy of it, it seems`, {
    suggestions: whenItHasEnded(app),
    cause,
  });
}

function whenItHasEnded(app: string): string[] {
  return [
    'when the other deploy has ended, deploy again; nothing was changed by this one',
    `deployer status -a ${app}`,
  ];
}
