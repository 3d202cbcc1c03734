import * as v from 'valibot';
import { ApiError } from '../api-error.js';
import { readBody } from '../machine-config.js';
import type { Platform } from '../platform.js';
import type { Supervisor } from '../supervisor.js';
import { route, type Answer, type Call, type Route } from './route.js';

const value = v.pipe(v.string(), v.maxLength(32 * 1024));
const updateRequest = v.looseObject({
  machine_version: v.optional(v.string()),
  /** null and the empty string remove a key. */
  metadata: v.record(v.string(), v.nullable(value)),
});
const upsertRequest = v.looseObject({ value });

const NO_CONTENT: Answer = { status: 204 };

/** Metadata of a machine's configuration, changed without a new version. It asks for no lease, as on Fly. */
export function metadataRoutes(platform: Platform): readonly Route[] {
  const PATH = '/v1/apps/:app/machines/:machine/metadata';
  const machine = ({ params }: Call): Supervisor => platform.machineOf(params);
  const update = (call: Call): Answer => {
    const supervisor = machine(call);
    const { machine_version, metadata } = readBody(updateRequest, call.body);
    const { instance_id } = supervisor.machine;
    if (machine_version !== undefined && machine_version !== instance_id) {
      throw new ApiError('failed_precondition', `machine_version: the machine is at ${instance_id}`);
    }
    setMetadata(supervisor, metadata);
    return NO_CONTENT;
  };
  return [
    route(`GET ${PATH}`, (call) => ({ status: 200, body: machine(call).machine.config.metadata ?? {} })),
    route(`PUT ${PATH}`, update),
    route(`PATCH ${PATH}`, update),
    route(`GET ${PATH}/:key`, (call) => {
      const found = machine(call).machine.config.metadata?.[call.params['key'] ?? ''];
      if (found === undefined) throw new ApiError('not_found', 'metadata key not found');
      return { status: 200, body: { value: found } };
    }),
    route(`POST ${PATH}/:key`, (call) => {
      const request = readBody(upsertRequest, call.body);
      setMetadata(machine(call), { [call.params['key'] ?? '']: request.value });
      return NO_CONTENT;
    }),
    route(`DELETE ${PATH}/:key`, (call) => {
      setMetadata(machine(call), { [call.params['key'] ?? '']: null });
      return NO_CONTENT;
    }),
  ];
}

function setMetadata(supervisor: Supervisor, changes: Readonly<Record<string, string | null>>): void {
  supervisor.amend((record) => {
    const merged = Object.entries({ ...record.config.metadata, ...changes });
    const metadata = Object.fromEntries(
      merged.filter((entry): entry is [string, string] => entry[1] !== null && entry[1] !== ''),
    );
    return { ...record, config: { ...record.config, metadata } };
  });
}
