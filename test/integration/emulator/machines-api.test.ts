import { expect } from 'chai';
import { digestOf } from '../../../src/oci/digest.js';
import { ociImage, type FixtureManifest } from '../../support/image-fixtures.js';
import type { EventAnswer, MachineAnswer } from '../../support/machines-client.js';
import { describedOperations } from '../../support/machines-spec.js';
import { startTestEmulator, type TestEmulator } from '../../support/test-emulator.js';

const M = '/apps/shop/machines';
const DESCRIBED = '/apps/{app_name}/machines/{machine_id}';

describe("the emulator's Machines API", () => {
  let test: TestEmulator;
  let fixture: FixtureManifest;
  let image: string;

  before(async () => {
    fixture = await ociImage();
    test = await startTestEmulator();
    image = await test.push('shop', fixture);
  });
  after(() => test.stop());

  beforeEach(() => test.client.ok('POST /apps', { body: { name: 'shop', org_slug: 'personal' } }));
  afterEach(() => test.client.ok('DELETE /apps/shop'));

  const create = (config: object = {}, more: object = {}): Promise<MachineAnswer> =>
    test.client.ok<MachineAnswer>(`POST ${M}`, { body: { config: { image, ...config }, ...more } });
  const started = async (config: object = {}, more: object = {}): Promise<MachineAnswer> => {
    const { id } = await create(config, more);
    await test.client.ok(`GET ${M}/${id}/wait?state=started`);
    return test.client.ok<MachineAnswer>(`GET ${M}/${id}`);
  };
  const typesOf = (events: readonly EventAnswer[]): string[] =>
    events.map(({ type, status }) => `${type} ${status}`);

  describe('apps', () => {
    it('are created, shown, listed by organization, and deleted with their machines', async () => {
      await started();
      const app = await test.client.ok('GET /apps/shop');
      expect(app).to.include({ name: 'shop', status: 'deployed', machine_count: 1 });
      expect((await test.client.ok('GET /apps?org_slug=personal'))['total_apps']).to.equal(1);
      expect((await test.client.ok('GET /apps?org_slug=another'))['total_apps']).to.equal(0);
      expect((await test.client.call('GET /apps')).status).to.equal(400);
      expect((await test.client.call('DELETE /apps/shop')).status).to.equal(202);
      expect((await test.client.call('GET /apps/shop')).status).to.equal(404);
      expect((await test.client.call(`GET ${M}`)).status).to.equal(404);
      await test.client.ok('POST /apps', { body: { app_name: 'shop', org_slug: 'personal' } });
    });

    it('have names that are unique and fit into a host name', async () => {
      const taken = await test.client.call('POST /apps', { body: { name: 'shop', org_slug: 'personal' } });
      expect(taken.status).to.equal(422);
      expect(taken.body).to.deep.equal({
        error: 'Validation failed: Name has already been taken',
        status: 'name_taken',
      });
      for (const name of ['Shop', 'a_b', '-a', '', 'x'.repeat(64), '../etc']) {
        expect((await test.client.call('POST /apps', { body: { name } })).status, name).to.equal(400);
      }
    });

    it('are given public addresses', async () => {
      const { ip } = await test.client.ok<{ ip: string }>('POST /apps/shop/ip_assignments', {
        body: { type: 'v6' },
      });
      await test.client.ok('POST /apps/shop/ip_assignments', { body: { type: 'shared_v4' } });
      const { ips } = await test.client.ok<{ ips: { shared: boolean }[] }>('GET /apps/shop/ip_assignments');
      expect(ips.map(({ shared }) => shared)).to.deep.equal([false, true]);
      await test.client.ok(`DELETE /apps/shop/ip_assignments/${encodeURIComponent(ip)}`);
      expect(
        (await test.client.call(`DELETE /apps/shop/ip_assignments/${encodeURIComponent(ip)}`)).status,
      ).to.equal(404);
    });
  });

  describe('a machine', () => {
    it('goes from created to started, with the digest that its tag named at that moment', async () => {
      const tagged = `${test.emulator.registry}/shop:v1`;
      const machine = await create({ image: tagged }, { region: 'fra', name: 'web-1' });
      expect(machine).to.include({
        name: 'web-1',
        state: 'created',
        region: 'fra',
        deployer_simulated: true,
      });
      expect(machine.id).to.match(/^[0-9a-f]{14}$/);
      expect(machine.instance_id).to.match(/^[0-9A-HJKMNP-TV-Z]{26}$/);
      expect(machine.image_ref).to.deep.include({
        registry: test.emulator.registry,
        repository: 'shop',
        tag: 'v1',
        digest: fixture.digest,
      });
      const waited = await test.client.ok(`GET ${M}/${machine.id}/wait?state=started&timeout=5`);
      expect(waited).to.include({ ok: true, state: 'started', version: machine.instance_id });
      const { events } = await test.client.ok<MachineAnswer>(`GET ${M}/${machine.id}`);
      expect(typesOf(events)).to.deep.equal(['start started', 'launch created']);
      expect(events[0]?.id).to.equal(waited['event_id']);
      expect(events[0]?.request).to.deep.equal({ simulated: true });
      expect(Date.now() - (events[0]?.timestamp ?? 0)).to.be.within(0, 5000);
    });

    it('is refused for an image that the registry does not have, and for one that is no reference', async () => {
      const missing = `${test.emulator.registry}/shop@${digestOf('nothing')}`;
      const { status, body } = await test.client.call(`POST ${M}`, { body: { config: { image: missing } } });
      expect(status).to.equal(400);
      expect(body['error']).to.contain('manifest unknown').and.to.contain(missing);
      const wrong = await test.client.call(`POST ${M}`, { body: { config: { image: 'a b' } } });
      expect([wrong.status, wrong.body['error']]).to.deep.equal([
        400,
        'invalid_argument: config.image: "a b" is no image reference: it holds white space',
      ]);
      expect(await test.client.ok(`GET ${M}`)).to.deep.equal([]);
    });

    it('is refused, with the key at fault, for a configuration that makes no sense', async () => {
      const cases: [object, string][] = [
        [{}, 'config'],
        [{ config: {} }, 'config.image'],
        [{ config: { image, env: { A: 1 } } }, 'config.env.A'],
        [{ config: { image, services: [{ internal_port: 70_000 }] } }, 'config.services.0.internal_port'],
        [
          { config: { image, checks: { up: { type: 'http', interval: 'soon' } } } },
          'config.checks.up.interval',
        ],
        [{ config: { image, restart: { policy: 'sometimes' } } }, 'config.restart.policy'],
        [{ config: { image, guest: { memory_mb: 1 } } }, 'config.guest.memory_mb'],
        [{ config: { image }, region: 'everywhere' }, 'region'],
      ];
      for (const [body, key] of cases) {
        const answer = await test.client.call(`POST ${M}`, { body });
        expect(answer.status, key).to.equal(400);
        expect(answer.body['error'], key).to.contain(`invalid_argument: ${key}:`);
      }
    });

    it('that is created with skip_launch rests until it is started', async () => {
      const { id } = await create({}, { skip_launch: true });
      await test.client.ok(`GET ${M}/${id}/wait?state=stopped`);
      expect(await test.client.ok(`POST ${M}/${id}/start`)).to.deep.equal({ previous_state: 'stopped' });
      await test.client.ok(`GET ${M}/${id}/wait?state=started`);
    });

    it('stops, starts, suspends, resumes and restarts as it is told, and says who asked', async () => {
      const { id } = await started();
      await test.client.ok(`POST ${M}/${id}/stop`, { body: { signal: 'SIGTERM', timeout: '2s' } });
      await test.client.ok(`GET ${M}/${id}/wait?state=stopped`);
      await test.client.ok(`POST ${M}/${id}/start`);
      await test.client.ok(`GET ${M}/${id}/wait?state=started`);
      await test.client.ok(`POST ${M}/${id}/suspend`);
      await test.client.ok(`GET ${M}/${id}/wait?state=suspended`);
      await test.client.ok(`POST ${M}/${id}/start`);
      await test.client.ok(`GET ${M}/${id}/wait?state=started`);
      await test.client.ok(`POST ${M}/${id}/restart?timeout=1s`);
      await test.machineThat(
        `${M}/${id}`,
        ({ state, events }) => state === 'started' && events.some(({ type }) => type === 'restart'),
      );
      const events = await test.client.ok<EventAnswer[]>(`GET ${M}/${id}/events?limit=50`);
      expect(events.map(({ type, status, source }) => `${type} ${status} ${source}`).reverse()).to.deep.equal(
        [
          'launch created user',
          'start started flyd',
          'stop stopping user',
          'exit stopped flyd',
          'start starting user',
          'start started flyd',
          'suspend suspending user',
          'suspend suspended flyd',
          'start starting user',
          'start started flyd',
          'restart stopping user',
          'exit stopping flyd',
          'start started flyd',
        ],
      );
      const exit = events.find(({ type }) => type === 'exit');
      expect(exit?.request?.exit_event).to.include({ exit_code: 0, requested_stop: true, restarting: false });
    });

    it('refuses what its state does not allow, with 412, and keeps its state', async () => {
      const { id } = await started();
      await test.client.ok(`POST ${M}/${id}/stop`);
      await test.client.ok(`GET ${M}/${id}/wait?state=stopped`);
      for (const action of ['restart', 'suspend']) {
        const { status, body } = await test.client.call(`POST ${M}/${id}/${action}`);
        expect(status, action).to.equal(412);
        expect(body['error']).to.equal(
          `failed_precondition: unable to ${action} machine from current state: 'stopped'`,
        );
      }
      const signal = await test.client.call(`POST ${M}/${id}/signal`, { body: { signal: 'SIGHUP' } });
      expect(signal.status).to.equal(412);
      expect((await test.client.ok<MachineAnswer>(`GET ${M}/${id}`)).state).to.equal('stopped');
    });

    it('is destroyed only when it is stopped, or by force, under either of its names', async () => {
      for (const force of ['force', 'kill']) {
        const { id } = await started();
        expect((await test.client.call(`DELETE ${M}/${id}`)).status).to.equal(412);
        await test.client.ok(`DELETE ${M}/${id}?${force}=true`);
        await test.client.ok(`GET ${M}/${id}/wait?state=destroyed`);
        expect((await test.client.call(`GET ${M}/${id}/wait?state=started&timeout=1`)).status).to.equal(404);
      }
      expect(await test.client.ok(`GET ${M}`)).to.deep.equal([]);
      expect(await test.client.ok<MachineAnswer[]>(`GET ${M}?include_deleted=true`)).to.have.length(2);
    });

    it('has a name that no living machine of the app shares', async () => {
      const first = await started({}, { name: 'web' });
      const second = await test.client.call(`POST ${M}`, { body: { config: { image }, name: 'web' } });
      expect(second.status).to.equal(409);
      expect(second.body['error']).to.contain(`machine ID ${first.id} already exists with name "web"`);
      await test.client.ok(`DELETE ${M}/${first.id}?force=true`);
      await test.client.ok(`GET ${M}/${first.id}/wait?state=destroyed`);
      await create({}, { name: 'web' });
    });

    it('is found by state, region and metadata, and summed up', async () => {
      const web = await started({ metadata: { fly_process_group: 'web' } }, { region: 'fra' });
      const worker = await started({ metadata: { fly_process_group: 'worker' } }, { region: 'ams' });
      const idsOf = async (query: string): Promise<string[]> =>
        (await test.client.ok<MachineAnswer[]>(`GET ${M}?${query}`)).map(({ id }) => id);
      expect(await idsOf('region=fra')).to.deep.equal([web.id]);
      expect(await idsOf('metadata.fly_process_group=worker')).to.deep.equal([worker.id]);
      expect(await idsOf('state=stopped,suspended')).to.deep.equal([]);
      expect(await idsOf('state=started')).to.have.members([web.id, worker.id]);
      const [summary] = await test.client.ok<object[]>(`GET ${M}?summary=true`);
      expect(summary).to.include.keys('id', 'state', 'instance_id').and.not.include.keys('config');
    });

    it('is cordoned and uncordoned without a change of its state', async () => {
      const { id, cordoned } = await started({}, { skip_service_registration: true });
      expect(cordoned).to.equal(true);
      await test.client.ok(`POST ${M}/${id}/uncordon`);
      expect((await test.client.ok<MachineAnswer>(`GET ${M}/${id}`)).cordoned).to.equal(false);
      await test.client.ok(`POST ${M}/${id}/cordon`);
      const machine = await test.client.ok<MachineAnswer>(`GET ${M}/${id}`);
      expect([machine.cordoned, machine.state]).to.deep.equal([true, 'started']);
    });

    it('says that nothing runs whose processes could be listed', async () => {
      const { id } = await started();
      const { status, body } = await test.client.call(`GET ${M}/${id}/ps`);
      expect(status).to.equal(501);
      expect(body['error']).to.contain('this machine is simulated');
    });
  });

  describe('an update', () => {
    it('gives a new version, stops the old process and starts the new one', async () => {
      const before = await started({ env: { V: '1' } });
      const updated = await test.client.ok<MachineAnswer>(`POST ${M}/${before.id}`, {
        body: { config: { image, env: { V: '2' } }, current_version: before.instance_id },
      });
      expect(updated.state).to.equal('replacing');
      expect(updated.instance_id).to.not.equal(before.instance_id);
      const waited = await test.client.ok(`GET ${M}/${before.id}/wait?version=${updated.instance_id}`);
      expect(waited).to.include({ state: 'started', version: updated.instance_id });
      const after = await test.client.ok<MachineAnswer>(`GET ${M}/${before.id}`);
      expect(after.config['env']).to.deep.equal({ V: '2' });
      expect(typesOf(after.events).slice(0, 4)).to.deep.equal([
        'start started',
        'update replaced',
        'exit replacing',
        'update replacing',
      ]);
      const versions = await test.client.ok<{ version: string; user_config: { env: object } }[]>(
        `GET ${M}/${before.id}/versions`,
      );
      expect(versions.map(({ version }) => version)).to.deep.equal([updated.instance_id, before.instance_id]);
      expect(versions[1]?.user_config.env).to.deep.equal({ V: '1' });
    });

    it('with skip_launch leaves the machine stopped', async () => {
      const { id } = await started();
      await test.client.ok(`POST ${M}/${id}`, { body: { config: { image }, skip_launch: true } });
      await test.client.ok(`GET ${M}/${id}/wait?state=stopped`);
    });

    it('for another version than the present one is refused with 409', async () => {
      const { id } = await started();
      const body = { config: { image }, current_version: '01AAAAAAAAAAAAAAAAAAAAAAAA' };
      const answer = await test.client.call(`POST ${M}/${id}`, { body });
      expect(answer.status).to.equal(409);
      expect((await test.client.ok<MachineAnswer>(`GET ${M}/${id}`)).state).to.equal('started');
    });

    it('of an image that is not there changes nothing', async () => {
      const before = await started();
      const body = { config: { image: `${test.emulator.registry}/shop:nope` } };
      expect((await test.client.call(`POST ${M}/${before.id}`, { body })).status).to.equal(400);
      const after = await test.client.ok<MachineAnswer>(`GET ${M}/${before.id}`);
      expect([after.instance_id, after.state]).to.deep.equal([before.instance_id, 'started']);
    });
  });

  it('keeps what it does not carry out of a configuration, and says so in its log', async () => {
    const config = { mounts: [{ volume: 'vol_1', path: '/data' }], schedule: 'daily' };
    const machine = await create(config);
    expect(machine.config).to.deep.include(config);
    expect(test.lines.join('\n')).to.contain(
      'shop: kept but not carried out here: config.mounts, config.schedule',
    );
  });

  it('knows regions', async () => {
    const { regions, nearest } = await test.client.ok<{ regions: { code: string }[]; nearest: string }>(
      'GET /platform/regions',
    );
    expect(regions.map(({ code }) => code)).to.include(nearest);
  });

  it('says 501 for the parts of the API that it does not have, and 404 or 405 for what does not exist', async () => {
    for (const path of [
      '/apps/shop/volumes',
      '/apps/shop/secrets',
      '/orgs/personal/machines',
      '/tokens/current',
    ]) {
      expect((await test.client.call(`GET ${path}`)).status, path).to.equal(501);
    }
    expect((await test.client.call('GET /nothing')).status).to.equal(404);
    expect((await test.client.call(`GET ${M}/0000/lease`)).status).to.equal(404);
    expect((await test.client.call('PUT /apps/shop')).status).to.equal(405);
  });

  it('lets in only who has the token, on a loopback name', async () => {
    const { token } = test.emulator;
    const statusOf = async (headers: Record<string, string>): Promise<number> =>
      (await test.client.call('GET /apps/shop', { headers })).status;
    expect(await statusOf({ authorization: `FlyV1 ${token}` })).to.equal(200);
    expect(await statusOf({ host: 'localhost:4280' })).to.equal(200);
    for (const authorization of ['', `Bearer ${token}x`, `Basic ${token}`, token, 'Bearer']) {
      expect(await statusOf({ authorization }), authorization).to.equal(401);
    }
    for (const host of ['emulator.example.com', '127.0.0.1.example.com', '192.168.0.1:4280']) {
      expect(await statusOf({ host }), host).to.equal(403);
    }
    expect(
      (await test.client.call('GET /_emulator/faults', { headers: { authorization: '' } })).status,
    ).to.equal(401);
  });

  it('answers what is no JSON with 400, what is too large with 413, and lives on', async () => {
    expect((await test.client.call(`POST ${M}`, { body: '{"config":' })).status).to.equal(400);
    const large = JSON.stringify({ config: { image, env: { A: 'x'.repeat(2_000_000) } } });
    expect((await test.client.call(`POST ${M}`, { body: large })).status).to.equal(413);
    const { headers } = await test.client.call('GET /apps/shop');
    expect(headers['fly-request-id']).to.match(/^[0-9A-Z]{26}-emu$/);
  });

  describedOperations(
    () => test.client.spec,
    [
      ...['GET /apps', 'POST /apps', 'GET /apps/{app_name}', 'DELETE /apps/{app_name}'],
      ...['GET', 'POST'].map((method) => `${method} /apps/{app_name}/ip_assignments`),
      ...['DELETE /apps/{app_name}/ip_assignments/{ip}', 'GET /platform/regions'],
      ...['GET', 'POST'].map((method) => `${method} /apps/{app_name}/machines`),
      ...['GET', 'POST', 'DELETE'].map((method) => `${method} ${DESCRIBED}`),
      ...['start', 'stop', 'suspend', 'restart', 'signal', 'cordon', 'uncordon'].map(
        (name) => `POST ${DESCRIBED}/${name}`,
      ),
      ...['wait', 'events', 'versions', 'ps'].map((name) => `GET ${DESCRIBED}/${name}`),
    ],
  );
});
