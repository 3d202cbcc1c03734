import * as v from 'valibot';
import { ApiError } from '../api-error.js';
import { HOME_REGION, type App } from '../app.js';
import { readBody } from '../machine-config.js';
import type { Platform } from '../platform.js';
import { route, type Call, type Route } from './route.js';

const appName = v.pipe(
  v.string(),
  v.regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, 'may hold a-z, 0-9 and "-", at most 63'),
);
const createAppRequest = v.looseObject({
  name: v.optional(appName),
  /** As older clients call it. */
  app_name: v.optional(appName),
  org_slug: v.optional(v.pipe(v.string(), v.maxLength(100)), 'personal'),
  network: v.optional(v.pipe(v.string(), v.maxLength(100)), 'default'),
});

const addressRequest = v.looseObject({ type: v.picklist(['v4', 'shared_v4', 'v6']) });

// Some of Fly's regions: a configuration that names one is taken, wherever the emulator runs.
const REGIONS: readonly (readonly [code: string, name: string])[] = [
  [HOME_REGION, 'Amsterdam, Netherlands'],
  ['bom', 'Mumbai, India'],
  ['cdg', 'Paris, France'],
  ['fra', 'Frankfurt, Germany'],
  ['gru', 'Sao Paulo, Brazil'],
  ['iad', 'Ashburn, Virginia (US)'],
  ['jnb', 'Johannesburg, South Africa'],
  ['lax', 'Los Angeles, California (US)'],
  ['lhr', 'London, United Kingdom'],
  ['nrt', 'Tokyo, Japan'],
  ['ord', 'Chicago, Illinois (US)'],
  ['sin', 'Singapore, Singapore'],
  ['syd', 'Sydney, Australia'],
  ['yyz', 'Toronto, Canada'],
];

/** Apps, and the platform's regions. */
export function appRoutes(platform: Platform): readonly Route[] {
  const app = ({ params }: Call): App => platform.app(params['app'] ?? '');
  return [
    route('GET /v1/apps', ({ query }) => {
      const organization = query.get('org_slug');
      if (organization === null) throw new ApiError('invalid_argument', 'org_slug: must be given');
      const apps = platform.apps(organization).map((each) => each.toView());
      return { status: 200, body: { total_apps: apps.length, apps } };
    }),
    route('POST /v1/apps', async ({ body }) => {
      const request = readBody(createAppRequest, body);
      const name = request.name ?? request.app_name;
      if (name === undefined) throw new ApiError('invalid_argument', 'name: must be given');
      const created = await platform.createApp(name, request.org_slug, request.network);
      return { status: 201, body: created.toView() };
    }),
    route('GET /v1/apps/:app', (call) => ({ status: 200, body: app(call).toView() })),
    route('DELETE /v1/apps/:app', async ({ params }) => {
      await platform.deleteApp(params['app'] ?? '');
      return { status: 202 };
    }),
    route('GET /v1/apps/:app/ip_assignments', (call) => ({
      status: 200,
      body: { ips: app(call).addresses },
    })),
    route('POST /v1/apps/:app/ip_assignments', (call) => {
      const { type } = readBody(addressRequest, call.body);
      return { status: 200, body: app(call).assignAddress(type) };
    }),
    route('DELETE /v1/apps/:app/ip_assignments/:ip', (call) => {
      app(call).releaseAddress(call.params['ip'] ?? '');
      return { status: 204 };
    }),
    route('GET /v1/platform/regions', () => ({
      status: 200,
      body: {
        nearest: HOME_REGION,
        regions: REGIONS.map(([code, name]) => ({
          code,
          name,
          deprecated: false,
          requires_paid_plan: false,
        })),
      },
    })),
  ];
}
