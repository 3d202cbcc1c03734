import { DeployerError } from '../../lib/errors.js';
import type { PartProblem, PartsReport } from './contents.js';
import type { Verdict } from './judge.js';

/** What was found out, and what was asked. */
export interface Answer {
  readonly verdicts: readonly Verdict[];
  readonly parts: PartsReport;
  /** The one target that was asked for. */
  readonly target: string | undefined;
}

/**
 * The error by which a diagnosis of what is there answers no: it is no image, the target that was asked for can't run it,
 * or it was asked whether all of it is there, and it is not. Pure.
 */
export function refusalFor(name: string, { verdicts, parts, target }: Answer): DeployerError | undefined {
  const verdict = verdicts.find(({ platform }) => platform.name === target);
  return (verdict ? targetRefusal(name, verdict) : noImage(name, verdicts)) ?? partsRefusal(name, parts);
}

/** Of what is there, but is no image: an artifact, a cache of a build, an index of nothing. */
function noImage(name: string, verdicts: readonly Verdict[]): DeployerError | undefined {
  const reasons = verdicts.map(({ decision }) =>
    decision.action === 'refuse' && decision.why === 'form' ? decision.reason : undefined,
  );
  const [reason] = reasons;
  if (reason === undefined || reasons.includes(undefined)) return undefined;
  return new DeployerError('image_incompatible', `${name} is there, but nobody can run it: ${reason}`);
}

function targetRefusal(name: string, { finding, decision, broken }: Verdict): DeployerError | undefined {
  if (finding.adaptation !== 'rebuild') return undefined;
  if (broken.length > 0) return incomplete(name, broken);
  const code =
    decision.action === 'refuse' && decision.why === 'platform' ? 'platform_not_found' : 'image_incompatible';
  return new DeployerError(code, `${name} is there, but ${finding.name} can't run it: ${finding.reason}`);
}

function partsRefusal(name: string, { complete, problems }: PartsReport): DeployerError | undefined {
  if (!complete || problems.length === 0) return undefined;
  const certain = problems.filter(({ state }) => state !== 'unchecked');
  if (certain.length > 0) return incomplete(name, certain);
  return new DeployerError(
    'registry_unavailable',
    `whether all of ${name} is there can't be said: the registry did not answer for ${problems.length} of its parts`,
    { evidence: problems.slice(0, SHOWN).map(describe) },
  );
}

const SHOWN = 5;

function incomplete(name: string, problems: readonly PartProblem[]): DeployerError {
  const count = problems.length === 1 ? 'a part' : `${problems.length} parts`;
  return new DeployerError('image_incomplete', `${name} is there, but ${count} of it can't be had`, {
    evidence: problems.slice(0, SHOWN).map(describe),
  });
}

function describe({ kind, digest, state, breaks, reason }: PartProblem): string {
  return `${kind} ${digest} (${breaks.join(', ')}) is ${state}: ${reason}`;
}
