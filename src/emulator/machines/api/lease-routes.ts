import * as v from 'valibot';
import { ApiError } from '../api-error.js';
import { newNonce } from '../ids.js';
import { DEFAULT_TTL, leaseNotFound, liveLease, takeLease, type Lease } from '../lease.js';
import { readBody } from '../machine-config.js';
import type { Platform } from '../platform.js';
import type { Supervisor } from '../supervisor.js';
import { OK, route, type Answer, type Call, type Route } from './route.js';

const leaseRequest = v.optional(
  v.looseObject({
    ttl: v.optional(v.number()),
    description: v.optional(v.pipe(v.string(), v.maxLength(1000))),
  }),
);

/** Leases. The wire wraps them: `{status: "success", data: {nonce, expires_at, owner, version, description}}`. */
export function leaseRoutes(platform: Platform): readonly Route[] {
  const PATH = '/v1/apps/:app/machines/:machine/lease';
  const machine = ({ params }: Call): Supervisor => platform.machineOf(params);
  const now = (): number => platform.ports.clock.now();
  return [
    route(`GET ${PATH}`, (call) => {
      const lease = liveLease(machine(call).machine.lease, now());
      if (lease === undefined) throw leaseNotFound();
      return wrapped(200, lease);
    }),
    route(`POST ${PATH}`, (call) => {
      const supervisor = machine(call);
      const request = readBody(leaseRequest, call.body ?? undefined) ?? {};
      // flyctl puts the ttl into the query.
      const ttl = request.ttl ?? Number(call.query.get('ttl') ?? DEFAULT_TTL);
      const { id, instance_id, lease: current } = supervisor.machine;
      const asked = {
        ttl,
        ...(call.nonce === undefined ? {} : { nonce: call.nonce }),
        ...(request.description === undefined ? {} : { description: request.description }),
      };
      const fresh = { nonce: newNonce(), version: instance_id };
      const lease = takeLease(id, current, asked, now(), fresh);
      supervisor.amend((record) => ({ ...record, lease }));
      return wrapped(201, lease);
    }),
    route(`DELETE ${PATH}`, (call) => {
      const supervisor = machine(call);
      if (call.nonce === undefined) {
        throw new ApiError('invalid_argument', 'fly-machine-lease-nonce: the header must be given');
      }
      if (liveLease(supervisor.machine.lease, now()) === undefined) throw leaseNotFound();
      supervisor.requireLease(call.nonce);
      supervisor.amend(({ lease: _released, ...record }) => record);
      return OK;
    }),
  ];
}

function wrapped(status: number, lease: Lease): Answer {
  return { status, body: { status: 'success', data: lease } };
}
