import { expect } from 'chai';
import type { HttpRequest } from '../../../src/http/client.js';
import { findMachinesSpec, MachinesSpec } from '../../support/machines-spec.js';
import { APP, FlyEmulator, imageOf, WEB } from './fly-emulator.js';

/** The wire takes these, the description leaves them out: flyctl's word for `force`, the documentation's for `name`. */
const BEYOND = ['kill', '/app_name'];

/** Below the API's version. */
function described({ url, method, body }: HttpRequest): { method: string; url: URL; body: unknown } {
  const below = new URL(url);
  below.pathname = below.pathname.replace('/v1', '');
  return { method, url: below, body: typeof body === 'string' ? JSON.parse(body) : undefined };
}

describe('what the Fly target asks of the Machines API', () => {
  it("is as the API's description says, in a first release, one that is undone, and all that only reads", async function () {
    const file = findMachinesSpec();
    if (file === undefined) {
      const suite = this.test?.parent;
      if (suite) suite.pendingReason = 'the description of the Machines API is not here (FLY_MACHINES_SPEC)';
      this.skip();
    }
    const spec = new MachinesSpec(file);
    const problems: string[] = [];
    const fly = await FlyEmulator.start();
    try {
      fly.asked = (request) => {
        const { method, url, body } = described(request);
        for (const problem of spec.requestProblems(method, url, body, BEYOND))
          problems.push(`${method} ${url.pathname}: ${problem}`);
      };
      const { signal } = new AbortController();
      const httpService = { ...WEB, autoStop: 'stop' as const, autoStart: true, minMachinesRunning: 2 };
      fly.fault({ match: { imageDigest: imageOf('bad').digest }, effect: { oom: { afterMs: 10 } } });
      await fly.deploy('bad', { config: { httpService } });
      await fly.succeed('old', { config: { httpService, primaryRegion: 'fra', env: { A: '1' } } });
      for (const { id } of fly.machines()) {
        await fly.api('POST', `/machines/${id}/stop`, {});
        await fly.api('GET', `/machines/${id}/wait?state=stopped&timeout=10`);
      }
      const [first] = fly.machines();
      await fly.api('POST', `/machines/${first?.id}/lease`, { ttl: 20 });
      await fly.succeed('new', { config: { httpService } });
      await fly.deploy('bad', { config: { httpService } });
      await fly.target.status(APP, signal);
      await fly.target.releases(APP, signal);
    } finally {
      await fly.stop();
    }
    expect(problems).to.deep.equal([]);
    const M = '/apps/{app_name}/machines';
    expect([...spec.seen]).to.have.members([
      'GET /apps/{app_name}',
      'POST /apps',
      'GET /apps/{app_name}/ip_assignments',
      'POST /apps/{app_name}/ip_assignments',
      `GET ${M}`,
      `POST ${M}`,
      `GET ${M}/{machine_id}`,
      `POST ${M}/{machine_id}`,
      `DELETE ${M}/{machine_id}`,
      `GET ${M}/{machine_id}/wait`,
      `GET ${M}/{machine_id}/versions`,
      `GET ${M}/{machine_id}/lease`,
      `POST ${M}/{machine_id}/lease`,
      `DELETE ${M}/{machine_id}/lease`,
      `POST ${M}/{machine_id}/metadata/{key}`,
    ]);
  });
});
