import { DeployerError } from '../../lib/errors.js';
import type { Advice } from './advice.js';
import { cleanLine } from '../../lib/text.js';
import { checkLines, eventLines, launchError, type RunMark } from './health.js';
import { isPullFailure } from './pull-failure.js';
import type { Machine } from './machine.js';

export interface MachineFailure {
  readonly code: 'release_failed' | 'timed_out';
  readonly app: string;
  readonly id: string;
  /** `exited with code 1` */
  readonly why: string;
  /** From where on its events count. */
  readonly mark: RunMark;
  readonly advice: Advice;
}

/**
 * Why a machine ends a release, with what is known of it: its state, what its checks say, its last events.
 * @param last the machine as it was seen last
 * @param fault what kept the API from answering, if that is how it ended
 */
export function machineFailure(
  { code, app, id, why, mark, advice }: MachineFailure,
  last: Machine | undefined,
  fault?: DeployerError,
): DeployerError {
  const seen =
    last === undefined
      ? []
      : [
          `machine ${id}: state ${cleanLine(last.state, 30)}`,
          // What the checks of one say that is not started is of before, or that nobody is there to be asked.
          ...(last.state === 'started' ? checkLines(last) : []),
          ...eventLines(last, mark),
        ];
  const said = last && launchError(last, mark);
  const mends =
    said !== undefined && isPullFailure(said) ? advice.pull(app, last?.config?.image ?? 'REF') : [];
  return new DeployerError(code, `machine ${id} ${why}`, {
    evidence: [...seen, ...(fault?.evidence ?? [])],
    suggestions: [...mends, advice.logs(app)],
  });
}
