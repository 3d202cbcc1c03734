import * as v from 'valibot';
import { ApiError } from '../api-error.js';
import { HOME_REGION } from '../app.js';
import { readBody } from '../machine-config.js';
import type { Platform } from '../platform.js';
import { route, type Route } from './route.js';

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
  return [
    route('GET /v1/apps', ({ query }) => {
      const organization = query.get('org_slug');
      if (organization === null) throw new ApiError('invalid_argument', 'org_slug: must be given');
      const apps = platform.apps(organization).map((app) => app.toView());
      return { status: 200, body: { total_apps: apps.length, apps } };
    }),
    route('POST /v1/apps', async ({ body }) => {
      const request = readBody(createAppRequest, body);
      const name = request.name ?? request.app_name;
      if (name === undefined) throw new ApiError('invalid_argument', 'name: must be given');
      const app = await platform.createApp(name, request.org_slug, request.network);
      return { status: 201, body: app.toView() };
    }),
    route('GET /v1/apps/:app', ({ params }) => ({
      status: 200,
      body: platform.app(params['app'] ?? '').toView(),
    })),
    route('DELETE /v1/apps/:app', async ({ params }) => {
      await platform.deleteApp(params['app'] ?? '');
      return { status: 202 };
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
