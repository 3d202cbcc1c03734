import { DeployerError, messageOf, type ErrorCode } from '../../lib/errors.js';
import { shortDigest } from '../../oci/digest.js';
import type { ReleaseIdentity, Unit } from '../target.js';
import type { Touched } from './touched.js';
import type { Stuck } from './undo.js';

/** What a release that failed says to its user. */
export interface Failure {
  readonly app: string;
  readonly release: ReleaseIdentity;
  /** What stopped it: the user, a lost lock, a machine, the API. */
  readonly reason: unknown;
  /** Machines that it had changed; those that were down are named beside the one that stopped it. */
  readonly alsoDown?: readonly Pick<Touched, 'id' | 'down'>[];
  /** How many of the machines that were put back had not been healthy before. */
  readonly unwell?: number;
}

const MOST_NAMED = 5;

/** What ran before runs again, as well or unwell as it did. */
export function rolledBack(failure: Failure, putBack: string): DeployerError {
  const { release, reason, unwell = 0 } = failure;
  // To go back to what is back already would change nothing.
  const isBetter = unwell > 0 && release.lastHealthy !== release.previous;
  const code = codeOf(reason) === 'interrupted' ? 'interrupted' : 'release_rolled_back';
  return new DeployerError(code, `v${release.version} ${whatHappened(reason)}; ${putBack}`, {
    cause: reason,
    evidence: [...evidenceOf(reason), ...downLines(failure)],
    suggestions: [...(isBetter ? wayBack(failure) : []), ...suggestionsOf(reason)],
  });
}

/** `--no-rollback`: the machines are as the failure left them, and each is named. */
export function leftAsItIs(failure: Failure, units: readonly Unit[]): DeployerError {
  const { release, reason } = failure;
  const known = codeOf(reason);
  return new DeployerError(
    known === 'interrupted' || known === 'timed_out' ? known : 'release_failed',
    `v${release.version} ${whatHappened(reason)}; its machines are left as they are (--no-rollback)`,
    { cause: reason, evidence: [...units.map(unitLine), ...evidenceOf(reason)], suggestions: mends(failure) },
  );
}

/** The undo failed too, on some of the machines it had to put back. */
export function notPutBack(failure: Failure, stuck: readonly Stuck[], touched: number): DeployerError {
  const { release, reason } = failure;
  const ids = stuck.map(({ id }) => id).join(', ');
  return new DeployerError(
    'release_failed',
    `v${release.version} ${whatHappened(reason)}; and ${stuck.length} of ${touched} changed machines could not be put back: ${ids}`,
    {
      cause: reason,
      evidence: [
        ...stuck.flatMap(({ id, why, evidence: seen }) => [`machine ${id}: ${why}`, ...seen]),
        ...evidenceOf(reason),
        ...downLines(failure),
      ],
      suggestions: mends(failure),
    },
  );
}

/** What runs now comes first, then what stopped the release. */
function mends(failure: Failure): string[] {
  const { app, reason } = failure;
  return [...wayBack(failure), ...new Set([...suggestionsOf(reason), `deployer status -a ${app}`])];
}

function wayBack({ app, release: { lastHealthy } }: Failure): string[] {
  return lastHealthy === undefined ? [] : [`deployer release rollback v${lastHealthy} -a ${app}`];
}

function suggestionsOf(reason: unknown): readonly string[] {
  return reason instanceof DeployerError ? reason.suggestions : [];
}

function whatHappened(reason: unknown): string {
  return codeOf(reason) === 'interrupted' ? 'was interrupted' : `failed: ${messageOf(reason)}`;
}

function codeOf(reason: unknown): ErrorCode | undefined {
  return reason instanceof DeployerError ? reason.code : undefined;
}

function evidenceOf(reason: unknown): readonly string[] {
  return reason instanceof DeployerError ? reason.evidence : [];
}

function downLines({ reason, alsoDown = [] }: Failure): string[] {
  const told = messageOf(reason);
  const others = alsoDown.filter(({ id, down = '' }) => down !== '' && !told.includes(id));
  const more = others.length - MOST_NAMED;
  return [
    ...others.slice(0, MOST_NAMED).map(({ id, down }) => `machine ${id} ${down}`),
    ...(more > 0 ? [`and ${more} ${more === 1 ? 'machine' : 'machines'} more`] : []),
  ];
}

/** `machine 148e…: started, health critical, v12, sha256:9984b97e…` */
function unitLine(unit: Unit): string {
  const digest = unit.image?.includes('@') ? shortDigest(unit.image.slice(unit.image.indexOf('@') + 1)) : '';
  const release = unit.releaseVersion === undefined ? 'no release' : `v${unit.releaseVersion}`;
  const facts = [unit.state, `health ${unit.health}`, release, digest].filter(Boolean);
  return `machine ${unit.id}: ${facts.join(', ')}`;
}
