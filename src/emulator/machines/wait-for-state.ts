import type { Clock } from '../../lib/clock.js';
import { ApiError } from './api-error.js';
import { isSettled } from './machine.js';
import type { Supervisor } from './supervisor.js';

const WAITABLE = ['started', 'stopped', 'suspended', 'destroyed', 'failed', 'settled'] as const;
const LONGEST_WAIT_S = 60;

export interface WaitQuery {
  /** Any of these will do. */
  readonly states: readonly (typeof WAITABLE)[number][];
  /** A version of the machine; the present one and later ones unless given. */
  readonly version: string | undefined;
  /** Only what happens after this event counts. */
  readonly fromEventId: string | undefined;
  readonly timeoutMs: number;
}

/** @throws ApiError 400 */
export function readWaitQuery(query: URLSearchParams): WaitQuery {
  const asked = query.getAll('state').flatMap((value) => value.split(','));
  const states = (asked.length === 0 ? ['started'] : asked).map((name) => {
    const state = WAITABLE.find((each) => each === name);
    if (state !== undefined) return state;
    throw new ApiError('invalid_argument', `state: must be of ${WAITABLE.join(', ')}`);
  });
  const timeout = query.get('timeout') ?? String(LONGEST_WAIT_S);
  const seconds = /^\d{1,9}$/.test(timeout) ? Number(timeout) : 0;
  if (seconds < 1 || seconds > LONGEST_WAIT_S) {
    throw new ApiError('invalid_argument', `timeout: must be whole seconds, 1 to ${LONGEST_WAIT_S}`);
  }
  return {
    states,
    version: query.get('version') ?? query.get('instance_id') ?? undefined,
    fromEventId: query.get('from_event_id') ?? undefined,
    timeoutMs: seconds * 1000,
  };
}

/**
 * The long poll: resolves at the moment that the machine enters a state asked for, were it for an instant.
 * @throws ApiError 408 after the timeout; 404 when a state is waited for that a destroyed machine can't reach;
 *   412 when the version waited for has been replaced; 400 for a version or event that never was
 */
export async function waitForState(
  supervisor: Supervisor,
  query: WaitQuery,
  clock: Clock,
  signal: AbortSignal,
): Promise<Readonly<Record<string, unknown>>> {
  const { machine } = supervisor;
  const { version, fromEventId } = query;
  if (version !== undefined && !machine.versions.some((each) => each.version === version)) {
    throw new ApiError('invalid_argument', `machine ${machine.id} has no version ${version}`);
  }
  if (fromEventId !== undefined && !machine.events.some(({ id }) => id === fromEventId)) {
    throw new ApiError('invalid_argument', `machine ${machine.id} has no event ${fromEventId}`);
  }
  const ended = new AbortController();
  let unwatch = (): void => undefined;
  try {
    return await new Promise((resolve, reject) => {
      const look = (): void => {
        try {
          const answer = answerNow(supervisor, query);
          if (answer !== undefined) resolve(answer);
        } catch (error) {
          reject(error);
        }
      };
      unwatch = supervisor.watch(look);
      look();
      clock
        .sleep(query.timeoutMs, AbortSignal.any([signal, ended.signal]))
        .then(() => reject(timedOut(supervisor, query)), reject);
    });
  } finally {
    unwatch();
    ended.abort();
  }
}

function answerNow(supervisor: Supervisor, query: WaitQuery): Readonly<Record<string, unknown>> | undefined {
  const { id, state, instance_id, events } = supervisor.machine;
  const event_id = events[0]?.id ?? '';
  const reached = query.states.some((each) => (each === 'settled' ? isSettled(state) : each === state));
  const isVersion = query.version === undefined || query.version === instance_id;
  const isLater = query.fromEventId === undefined || query.fromEventId !== event_id;
  if (reached && isVersion && isLater) return { ok: true, state, version: instance_id, event_id };
  if (state === 'destroyed') throw new ApiError('not_found', `machine ${id} is destroyed`);
  if (!isVersion) {
    throw new ApiError(
      'failed_precondition',
      `machine version ${query.version} has been replaced by ${instance_id}`,
    );
  }
  return undefined;
}

function timedOut(supervisor: Supervisor, query: WaitQuery): ApiError {
  return new ApiError(
    'deadline_exceeded',
    `machine failed to reach desired state, ${query.states.join(',')}, currently ${supervisor.machine.state}`,
  );
}
