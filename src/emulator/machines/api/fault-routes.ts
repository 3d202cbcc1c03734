import { ApiError } from '../api-error.js';
import type { Faults } from '../faults.js';
import { route, type Route } from './route.js';

/** Scripting of failures, beside Fly's API: see `Faults` for what can be scripted. */
export function faultRoutes(faults: Faults): readonly Route[] {
  return [
    route('GET /_emulator/faults', () => ({ status: 200, body: { faults: faults.list() } }), null),
    route('POST /_emulator/faults', ({ body }) => ({ status: 201, body: faults.add(body) }), null),
    route(
      'DELETE /_emulator/faults',
      () => {
        faults.clear();
        return { status: 204 };
      },
      null,
    ),
    route(
      'DELETE /_emulator/faults/:fault',
      ({ params }) => {
        faults.remove(params['fault'] ?? '');
        return { status: 204 };
      },
      null,
    ),
  ];
}

/** Parts of Fly's API that the emulator knows of and does not have: said so, rather than "not found". */
export function unimplementedRoutes(): readonly Route[] {
  const refuse = (): never => {
    throw new ApiError('unimplemented', 'the emulator does not have this part of the Machines API');
  };
  return [
    '/v1/apps/:app/certificates',
    '/v1/apps/:app/deploy_token',
    '/v1/apps/:app/secretkeys',
    '/v1/apps/:app/secrets',
    '/v1/apps/:app/volumes',
    '/v1/apps/:app/machines/:machine/exec',
    '/v1/apps/:app/machines/:machine/memory',
    '/v1/orgs',
    '/v1/platform/placements',
    '/v1/tokens',
  ].flatMap((path) => [route(`* ${path}`, refuse), route(`* ${path}/*`, refuse)]);
}
