import * as v from 'valibot';
import { ApiError } from '../api-error.js';
import type { StopOrder } from '../instance-spec.js';
import { durationMs, durationProblem, readBody, STOP_SIGNALS } from '../machine-config.js';
import type { Platform } from '../platform.js';
import type { Supervisor } from '../supervisor.js';
import { OK, route, type Answer, type Call, type Route } from './route.js';

const SIGNALS = [
  ...STOP_SIGNALS,
  'SIGABRT',
  'SIGALRM',
  'SIGFPE',
  'SIGILL',
  'SIGPIPE',
  'SIGSEGV',
  'SIGTRAP',
] as const;

const stopRequest = v.optional(
  v.looseObject({
    signal: v.optional(v.union([v.picklist(STOP_SIGNALS), v.literal('')])),
    // flyctl writes a duration, older clients a number of seconds.
    timeout: v.optional(v.pipe(v.union([v.string(), v.number()]), v.transform(String))),
  }),
);
// flyctl's `machine kill` sends the number 9.
const signalRequest = v.looseObject({ signal: v.union([v.picklist(SIGNALS), v.literal(9)]) });

/** What changes a machine's state, or takes it in and out of service. */
export function lifecycleRoutes(platform: Platform): readonly Route[] {
  const leased = (call: Call): Supervisor => {
    const supervisor = platform.machineOf(call.params);
    supervisor.requireLease(call.nonce);
    return supervisor;
  };
  const action = (
    name: string,
    handle: (supervisor: Supervisor, call: Call) => Answer | Promise<Answer>,
  ): Route => route(`POST /v1/apps/:app/machines/:machine/${name}`, (call) => handle(leased(call), call));
  return [
    action('start', (supervisor) => {
      const previous_state = supervisor.machine.state;
      supervisor.start();
      return { status: 200, body: { previous_state } };
    }),
    action('stop', (supervisor, { body }) => {
      const request = readBody(stopRequest, body ?? undefined);
      supervisor.stop(stopOrderOf(request?.signal, request?.timeout));
      return OK;
    }),
    action('restart', (supervisor, { query }) => {
      const signal = v.safeParse(v.picklist(STOP_SIGNALS), query.get('signal') ?? 'SIGINT');
      if (!signal.success)
        throw new ApiError('invalid_argument', `signal: must be of ${STOP_SIGNALS.join(', ')}`);
      const order = stopOrderOf(query.get('signal') ?? undefined, query.get('timeout') ?? undefined);
      supervisor.restart(query.get('force_stop') === 'true' ? { signal: 'SIGKILL', timeoutMs: 0 } : order);
      return OK;
    }),
    action('suspend', (supervisor) => {
      supervisor.suspend();
      return OK;
    }),
    action('signal', async (supervisor, { body }) => {
      const { signal } = readBody(signalRequest, body);
      await supervisor.signal(signal === 9 ? 'SIGKILL' : signal);
      return OK;
    }),
    action('cordon', (supervisor) => {
      supervisor.cordon(true);
      return OK;
    }),
    action('uncordon', (supervisor) => {
      supervisor.cordon(false);
      return OK;
    }),
  ];
}

function stopOrderOf(signal: string | undefined, timeout: string | undefined): Partial<StopOrder> {
  if (timeout !== undefined && durationProblem(timeout) !== undefined) {
    throw new ApiError('invalid_argument', 'timeout: is not a duration such as 10s');
  }
  return {
    ...(signal === undefined || signal === '' ? {} : { signal }),
    ...(timeout === undefined ? {} : { timeoutMs: durationMs(timeout, 0) }),
  };
}
