import { expect } from 'chai';
import { ociImage, type FixtureManifest } from '../../support/image-fixtures.js';
import type { EventAnswer, MachineAnswer } from '../../support/machines-client.js';
import { startTestEmulator, type TestEmulator } from '../../support/test-emulator.js';

const M = '/apps/shop/machines';
const CHECK = { type: 'http', path: '/', interval: '100ms', grace_period: '0s' };

describe('faults that a test scripts', () => {
  let test: TestEmulator;
  let fixture: FixtureManifest;
  let image: string;

  before(async () => {
    fixture = await ociImage();
    test = await startTestEmulator();
    image = await test.push('shop', fixture);
    await test.client.ok('POST /apps', { body: { name: 'shop', org_slug: 'personal' } });
  });
  after(() => test.stop());
  afterEach(() => test.client.ok('DELETE /_emulator/faults'));

  const script = (fault: object): Promise<{ id: string }> =>
    test.client.ok('POST /_emulator/faults', { body: fault });
  const create = (config: object = {}): Promise<MachineAnswer> =>
    test.client.ok<MachineAnswer>(`POST ${M}`, { body: { config: { image, ...config } } });
  const exits = (events: readonly EventAnswer[]): unknown[] =>
    events.filter(({ type }) => type === 'exit').map(({ request }) => request?.exit_event);

  describe('in an answer', () => {
    it('replace it, so often as they say, without the request being carried out', async () => {
      await script({
        match: { method: 'post', pathPattern: '/v1/apps/*/machines' },
        answer: {
          status: 503,
          headers: { 'retry-after': '2' },
          body: { error: 'no capacity', status: 'insufficient_capacity' },
        },
        times: 2,
      });
      const body = { config: { image } };
      for (let n = 0; n < 2; n += 1) {
        const answer = await test.client.call(`POST ${M}`, { body });
        expect([answer.status, answer.headers['retry-after'], answer.body['status']]).to.deep.equal([
          503,
          '2',
          'insufficient_capacity',
        ]);
      }
      expect(await test.client.ok(`GET ${M}`)).to.deep.equal([]);
      const { id } = await test.client.ok<MachineAnswer>(`POST ${M}`, { body });
      await test.client.ok(`DELETE ${M}/${id}?force=true`);
    });

    it('hit only the n-th that matches', async () => {
      await script({
        match: { pathPattern: '/v1/apps/shop', nth: 2 },
        answer: { status: 500, body: { error: 'x' } },
      });
      const statuses = [];
      for (let n = 0; n < 3; n += 1) statuses.push((await test.client.call('GET /apps/shop')).status);
      expect(statuses).to.deep.equal([200, 500, 200]);
      const { faults } = await test.client.ok<{ faults: { fired: number }[] }>('GET /_emulator/faults');
      expect(faults.map(({ fired }) => fired)).to.deep.equal([1]);
    });

    it('delay it', async () => {
      await script({ match: { pathPattern: '/v1/platform/**' }, answer: { delayMs: 300 } });
      const began = Date.now();
      expect((await test.client.call('GET /platform/regions')).status).to.equal(200);
      expect(Date.now() - began).to.be.within(290, 2000);
    });

    it('break the connection before the request is carried out, or after', async () => {
      const broken = async (): Promise<string> =>
        test.client.call(`POST ${M}`, { body: { config: { image } } }).then(
          ({ status }) => `answered ${status}`,
          () => 'broken off',
        );
      await script({
        match: { method: 'POST', pathPattern: '/v1/apps/shop/*' },
        answer: { drop: true },
        times: 1,
      });
      expect(await broken()).to.equal('broken off');
      expect(await test.client.ok(`GET ${M}`)).to.deep.equal([]);
      await script({
        match: { method: 'POST', pathPattern: '/v1/apps/shop/*' },
        answer: { drop: 'after' },
        times: 1,
      });
      expect(await broken()).to.equal('broken off');
      const [machine] = await test.client.ok<MachineAnswer[]>(`GET ${M}`);
      await test.client.ok(`DELETE ${M}/${machine?.id}?force=true`);
    });

    it('are not for who has no token', async () => {
      await script({ match: {}, answer: { status: 418, body: { error: 'a teapot' } } });
      expect((await test.client.call('GET /apps/shop', { headers: { authorization: '' } })).status).to.equal(
        401,
      );
      expect((await test.client.call('GET /apps/shop')).status).to.equal(418);
    });
  });

  describe('in a machine', () => {
    it('crash it so long after its start, by its image, once, and it recovers by its restart policy', async () => {
      await script({
        match: { imageDigest: fixture.digest },
        effect: { crash: { afterMs: 50, exitCode: 9 } },
        times: 1,
      });
      const { id } = await create();
      const { events } = await test.machineThat(
        `${M}/${id}`,
        (machine) => machine.state === 'started' && exits(machine.events).length === 1,
      );
      expect(exits(events)[0]).to.include({ exit_code: 9, oom_killed: false, restarting: true });
      expect(events[0]).to.include({ type: 'start', status: 'started' });
    });

    it('kill it for its memory, by its environment', async () => {
      await script({ match: { env: { ROLE: 'hungry' } }, effect: { oom: { afterMs: 20 } } });
      const hungry = await create({ env: { ROLE: 'hungry' }, restart: { policy: 'no' } });
      const frugal = await create({ env: { ROLE: 'frugal' }, restart: { policy: 'no' } });
      await test.client.ok(`GET ${M}/${hungry.id}/wait?state=stopped&timeout=5`);
      const { events } = await test.client.ok<MachineAnswer>(`GET ${M}/${hungry.id}`);
      expect(exits(events)).to.have.length(1);
      expect(exits(events)[0]).to.include({ exit_code: 137, oom_killed: true, requested_stop: false });
      expect((await test.client.ok<MachineAnswer>(`GET ${M}/${frugal.id}`)).state).to.equal('started');
    });

    it('keep its checks from passing for a while, or for ever, with an output', async () => {
      await script({
        match: { env: { R: 'slow' } },
        effect: { checks: { passAfterMs: 400, output: 'warming up' } },
      });
      await script({ match: { env: { R: 'ill' } }, effect: { checks: { output: 'connection refused' } } });
      const services = [{ internal_port: 8080, checks: [CHECK] }];
      const slow = await create({ services, env: { R: 'slow' } });
      const ill = await create({ services, env: { R: 'ill' } });
      const statusOf = ({ checks }: MachineAnswer): string => `${checks[0]?.status} ${checks[0]?.output}`;
      await test.machineThat(`${M}/${slow.id}`, (machine) => statusOf(machine) === 'critical warming up');
      await test.machineThat(`${M}/${slow.id}`, (machine) =>
        statusOf(machine).startsWith('passing simulated'),
      );
      expect(statusOf(await test.client.ok<MachineAnswer>(`GET ${M}/${ill.id}`))).to.equal(
        'critical connection refused',
      );
    });

    it('keep it in starting, from where it can still be destroyed or updated', async () => {
      const { id } = await create();
      await test.client.ok(`GET ${M}/${id}/wait?state=started`);
      const fault = await script({ match: { machine: id }, effect: { neverStarts: true } });
      await test.client.ok(`POST ${M}/${id}`, { body: { config: { image, env: { V: '2' } } } });
      expect((await test.client.call(`GET ${M}/${id}/wait?state=started&timeout=1`)).status).to.equal(408);
      expect((await test.client.ok<MachineAnswer>(`GET ${M}/${id}`)).state).to.equal('starting');
      await test.client.ok(`DELETE /_emulator/faults/${fault.id}`);
      await test.client.ok(`POST ${M}/${id}`, { body: { config: { image, env: { V: '1' } } } });
      await test.client.ok(`GET ${M}/${id}/wait?state=started&timeout=5`);
    });
  });

  it('are refused when they are none, with the key at fault, and bounded in number', async () => {
    const cases: [unknown, string][] = [
      [{}, 'match'],
      [{ match: {}, answer: { status: 99 } }, 'answer'],
      [{ match: {}, answer: { delayMs: 3_600_000 } }, 'answer'],
      [{ match: { path: '/' }, answer: { status: 500 } }, 'match.path'],
      [{ match: {}, effect: { explode: true } }, 'effect'],
      [{ match: { imageDigest: 'latest' }, effect: { neverStarts: true } }, 'match.imageDigest'],
      ['fault', 'body'],
    ];
    for (const [fault, key] of cases) {
      const { status, body } = await test.client.call('POST /_emulator/faults', {
        body: JSON.stringify(fault),
      });
      expect(status, JSON.stringify(fault)).to.equal(400);
      expect(body['error']).to.match(new RegExp(`^invalid_argument: ${key}`));
    }
    for (let n = 0; n < 100; n += 1)
      await script({ match: { pathPattern: '/never' }, answer: { status: 500 } });
    expect(
      (await test.client.call('POST /_emulator/faults', { body: { match: {}, answer: { status: 500 } } }))
        .status,
    ).to.equal(400);
    expect((await test.client.call('DELETE /_emulator/faults/nope')).status).to.equal(404);
  });

  it("come with Fly's rate limits, switched on by default: 3 at once and 1 a second, 10 and 5 for reading a machine", async () => {
    await using limited = await startTestEmulator({ rateLimits: true });
    const copy = await limited.push('shop', fixture);
    const body = { name: 'shop', org_slug: 'personal' };
    await limited.client.ok('POST /apps', { body });
    const { id } = await limited.client.ok<MachineAnswer>(`POST ${M}`, { body: { config: { image: copy } } });
    const statuses = async (line: string, times: number): Promise<number[]> => {
      const answers = await Promise.all(Array.from({ length: times }, () => limited.client.call(line)));
      return answers.map(({ status }) => status);
    };
    const allowed = (all: number[]): number => all.filter((status) => status === 200).length;
    expect(allowed(await statuses(`GET ${M}`, 6))).to.be.within(3, 4);
    expect(allowed(await statuses(`GET ${M}/${id}`, 16))).to.be.within(10, 12);
    const { status, body: refusal } = await limited.client.call(`GET ${M}`);
    expect([status, refusal]).to.deep.equal([429, { error: 'resource_exhausted: rate limit exceeded' }]);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    expect(allowed(await statuses(`GET ${M}`, 3))).to.be.within(1, 2);
  });
});
