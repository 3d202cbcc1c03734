import { ApiError } from '../api-error.js';
import type { App } from '../app.js';
import { imageRefOf, readImage } from '../image-ref.js';
import { newNonce } from '../ids.js';
import { takeLease } from '../lease.js';
import { ignoredKeys, readMachineRequest, type MachineRequest } from '../machine-config.js';
import { machineSummary, machineView } from '../machine-view.js';
import type { ImageRef } from '../machine.js';
import type { Platform } from '../platform.js';
import { GET_MACHINE_RATE } from '../rate-limiter.js';
import type { Supervisor } from '../supervisor.js';
import { readWaitQuery, waitForState } from '../wait-for-state.js';
import { OK, route, type Answer, type Call, type Route } from './route.js';

/** Machines: list, create, read, update, delete, and what can be asked about one. */
export function machineRoutes(platform: Platform): readonly Route[] {
  const app = ({ params }: Call): App => platform.app(params['app'] ?? '');
  const machine = ({ params }: Call): Supervisor => platform.machineOf(params);
  const M = '/v1/apps/:app/machines';
  return [
    route(`GET ${M}`, (call) => list(platform, app(call), call.query)),
    route(`POST ${M}`, (call) => create(platform, app(call), call)),
    route(
      `GET ${M}/:machine`,
      (call) => ({ status: 200, body: machineView(machine(call), { runtime: platform.ports.runtime.name }) }),
      GET_MACHINE_RATE,
    ),
    route(`POST ${M}/:machine`, (call) => update(platform, machine(call), call)),
    route(`DELETE ${M}/:machine`, (call) => {
      const supervisor = machine(call);
      supervisor.requireLease(call.nonce);
      // flyctl says kill, the API's description says force.
      supervisor.destroy(isTrue(call.query, 'force') || isTrue(call.query, 'kill'));
      return OK;
    }),
    route(`GET ${M}/:machine/wait`, async (call) => {
      const query = readWaitQuery(call.query);
      const body = await waitForState(machine(call), query, platform.ports.clock, call.signal);
      return { status: 200, body };
    }),
    route(`GET ${M}/:machine/events`, (call) => {
      const limit = Number(call.query.get('limit') ?? 20);
      if (!Number.isInteger(limit) || limit < 1)
        throw new ApiError('invalid_argument', 'limit: must be a number from 1');
      return { status: 200, body: machine(call).machine.events.slice(0, limit) };
    }),
    route(`GET ${M}/:machine/versions`, (call) => ({ status: 200, body: machine(call).machine.versions })),
    route(`GET ${M}/:machine/ps`, async (call) => ({ status: 200, body: await machine(call).processes() })),
  ];
}

function list(platform: Platform, app: App, query: URLSearchParams): Answer {
  const states = query.get('state')?.split(',');
  const region = query.get('region');
  // Fly filters by any key of the metadata: ?metadata.fly_process_group=app
  const metadata = [...query].filter(([key]) => key.startsWith('metadata.'));
  const runtime = platform.ports.runtime.name;
  const supervisors = app
    .machines()
    .filter(({ machine }) => machine.state !== 'destroyed' || isTrue(query, 'include_deleted'))
    .filter(({ machine }) => states === undefined || states.includes(machine.state))
    .filter(({ machine }) => region === null || region === machine.region)
    .filter(({ machine }) =>
      metadata.every(([key, value]) => machine.config.metadata?.[key.slice('metadata.'.length)] === value),
    );
  const summary = isTrue(query, 'summary');
  return {
    status: 200,
    body: supervisors.map((each) =>
      summary ? machineSummary(each.machine) : machineView(each, { runtime }),
    ),
  };
}

async function create(platform: Platform, app: App, call: Call): Promise<Answer> {
  const { runtime, clock } = platform.ports;
  const request = readMachineRequest(call.body);
  const imageRef = await findImage(platform, app.name, request);
  // Asked for again: it may have been deleted while the image was looked up.
  const supervisor = platform.app(app.name).createMachine(request, imageRef);
  if (request.lease_ttl === undefined || request.lease_ttl === 0) {
    return { status: 200, body: machineView(supervisor, { runtime: runtime.name }) };
  }
  const { id, instance_id } = supervisor.machine;
  const fresh = { nonce: newNonce(), version: instance_id };
  const lease = takeLease(id, undefined, { ttl: request.lease_ttl }, clock.now(), fresh);
  supervisor.amend((machine) => ({ ...machine, lease }));
  return { status: 200, body: machineView(supervisor, { runtime: runtime.name, nonce: lease.nonce }) };
}

async function update(platform: Platform, supervisor: Supervisor, call: Call): Promise<Answer> {
  const { runtime } = platform.ports;
  const request = readMachineRequest(call.body);
  const mayUpdate = (): void => {
    const { instance_id } = supervisor.machine;
    supervisor.requireLease(call.nonce);
    if (request.current_version !== undefined && request.current_version !== instance_id) {
      throw new ApiError(
        'aborted',
        `current_version: the machine is at ${instance_id}, not ${request.current_version}`,
      );
    }
  };
  mayUpdate();
  const imageRef = await findImage(platform, supervisor.app, request);
  // Again: another may have been quicker while the image was looked up.
  mayUpdate();
  supervisor.replace(request.config, imageRef, {
    launch: request.skip_launch !== true,
    cordon: request.skip_service_registration === true,
  });
  return { status: 200, body: machineView(supervisor, { runtime: runtime.name }) };
}

async function findImage(platform: Platform, app: string, request: MachineRequest): Promise<ImageRef> {
  const reference = readImage(request.config.image);
  const ignored = ignoredKeys(request.config);
  if (ignored.length > 0) {
    platform.ports.log(`${app}: kept but not carried out here: config.${ignored.join(', config.')}`);
  }
  return imageRefOf(reference, await platform.ports.lookUpImage(reference));
}

function isTrue(query: URLSearchParams, key: string): boolean {
  return query.get(key) === 'true';
}
