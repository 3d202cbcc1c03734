import { expect } from 'chai';
import { ociImage } from '../../support/image-fixtures.js';
import type { MachineAnswer } from '../../support/machines-client.js';
import { describedOperations } from '../../support/machines-spec.js';
import { startTestEmulator, type TestEmulator } from '../../support/test-emulator.js';

const M = '/apps/shop/machines';
const DESCRIBED = '/apps/{app_name}/machines/{machine_id}';

describe("waits, leases and metadata of the emulator's machines", () => {
  let test: TestEmulator;
  let image: string;

  before(async () => {
    test = await startTestEmulator();
    image = await test.push('shop', await ociImage());
    await test.client.ok('POST /apps', { body: { name: 'shop', org_slug: 'personal' } });
  });
  after(() => test.stop());

  const create = (config: object = {}, more: object = {}): Promise<MachineAnswer> =>
    test.client.ok<MachineAnswer>(`POST ${M}`, { body: { config: { image, ...config }, ...more } });
  const started = async (config: object = {}): Promise<MachineAnswer> => {
    const { id } = await create(config);
    await test.client.ok(`GET ${M}/${id}/wait?state=started`);
    return test.client.ok<MachineAnswer>(`GET ${M}/${id}`);
  };

  describe('wait', () => {
    it('answers 408 after its timeout, naming the states wanted and had', async () => {
      const { id } = await started();
      const began = Date.now();
      const { status, body } = await test.client.call(`GET ${M}/${id}/wait?state=stopped&timeout=1`);
      expect(status).to.equal(408);
      expect(body['error']).to.equal(
        'deadline_exceeded: machine failed to reach desired state, stopped, currently started',
      );
      expect(Date.now() - began).to.be.within(950, 3000);
    });

    it('takes several states, and settled for any at rest', async () => {
      const { id } = await started();
      expect(await test.client.ok(`GET ${M}/${id}/wait?state=stopped,started`)).to.include({
        state: 'started',
      });
      expect(await test.client.ok(`GET ${M}/${id}/wait?state=failed&state=started`)).to.include({
        state: 'started',
      });
      expect(await test.client.ok(`GET ${M}/${id}/wait?state=settled`)).to.include({ state: 'started' });
    });

    it('wakes at the change, not at a poll, and after a given event only', async () => {
      const { id, events } = await started();
      const from = events[0]?.id ?? '';
      const waiting = test.client.ok(`GET ${M}/${id}/wait?state=started&from_event_id=${from}&timeout=10`);
      const began = Date.now();
      await test.client.ok(`POST ${M}/${id}/restart`);
      expect(await waiting).to.include({ state: 'started' });
      expect(Date.now() - began).to.be.below(1000);
    });

    it('refuses a state, timeout, version or event that is none', async () => {
      const { id } = await started();
      for (const query of [
        'state=happy',
        'timeout=0',
        'timeout=61',
        'timeout=5s',
        'version=X',
        'from_event_id=X',
      ]) {
        expect((await test.client.call(`GET ${M}/${id}/wait?${query}`)).status, query).to.equal(400);
      }
    });

    it('for a version that has been replaced answers 412 at once', async () => {
      const { id, instance_id } = await started();
      await test.client.ok(`POST ${M}/${id}`, { body: { config: { image } } });
      const { status, body } = await test.client.call(`GET ${M}/${id}/wait?version=${instance_id}&timeout=5`);
      expect(status).to.equal(412);
      expect(body['error']).to.contain('has been replaced');
    });
  });

  describe('a lease', () => {
    interface LeaseAnswer {
      readonly status: string;
      readonly data: {
        readonly nonce: string;
        readonly expires_at: number;
        readonly owner: string;
        readonly version: string;
      };
    }

    it('keeps every other client from changing the machine, until it is released', async () => {
      const { id, instance_id } = await started();
      const lease = await test.client.call<LeaseAnswer>(`POST ${M}/${id}/lease`, {
        body: { ttl: 30, description: 'a deploy' },
      });
      expect(lease.status).to.equal(201);
      expect(lease.body.status).to.equal('success');
      expect(lease.body.data).to.include({ version: instance_id, description: 'a deploy' });
      expect(lease.body.data.expires_at * 1000 - Date.now()).to.be.within(28_000, 32_000);
      const { nonce } = lease.body.data;

      for (const line of [
        `POST ${M}/${id}`,
        `DELETE ${M}/${id}?force=true`,
        `POST ${M}/${id}/stop`,
        `POST ${M}/${id}/cordon`,
        `POST ${M}/${id}/lease`,
      ]) {
        const refused = await test.client.call(
          line,
          line.endsWith(id) ? { body: { config: { image } } } : {},
        );
        expect(refused.status, line).to.equal(409);
        expect(refused.body, line).to.include({ status: 'error' });
        expect(refused.body['message'], line).to.match(
          new RegExp(`^machine ID ${id} lease currently held by \\S+, expires at \\d{4}-`),
        );
      }
      expect((await test.client.ok<LeaseAnswer>(`GET ${M}/${id}/lease`)).data.nonce).to.equal(nonce);
      await test.client.ok(`POST ${M}/${id}`, { nonce, body: { config: { image } } });
      await test.client.ok(`GET ${M}/${id}/wait?state=started`);

      const wrong = await test.client.call(`DELETE ${M}/${id}/lease`, { nonce: 'another' });
      expect(wrong.status).to.equal(409);
      expect((await test.client.call(`DELETE ${M}/${id}/lease`)).status).to.equal(400);
      await test.client.ok(`DELETE ${M}/${id}/lease`, { nonce });
      expect((await test.client.call(`GET ${M}/${id}/lease`)).status).to.equal(404);
      await test.client.ok(`POST ${M}/${id}/stop`);
    });

    it('is refreshed by its nonce, ends by itself, and can then be had by another', async () => {
      const { id } = await started();
      const first = await test.client.ok<LeaseAnswer>(`POST ${M}/${id}/lease?ttl=1`);
      const { nonce } = first.data;
      const refreshed = await test.client.ok<LeaseAnswer>(`POST ${M}/${id}/lease?ttl=2`, { nonce });
      expect(refreshed.data.nonce).to.equal(nonce);
      expect(refreshed.data.expires_at).to.be.greaterThan(first.data.expires_at);
      await new Promise((resolve) => setTimeout(resolve, refreshed.data.expires_at * 1000 - Date.now() + 20));
      const late = await test.client.call(`POST ${M}/${id}/lease`, { nonce, body: { ttl: 5 } });
      expect([late.status, late.body['message']]).to.deep.equal([404, 'lease not found']);
      const other = await test.client.ok<LeaseAnswer>(`POST ${M}/${id}/lease`, { body: { ttl: 5 } });
      expect(other.data.nonce).to.not.equal(nonce);
      expect((await test.client.call(`POST ${M}/${id}/stop`, { nonce })).status).to.equal(409);
    });

    it('can be taken with the creation, and only then is its nonce shown', async () => {
      const { id, nonce } = await create({}, { lease_ttl: 20 });
      expect(nonce).to.match(/^[0-9a-f]{12}$/);
      expect((await test.client.ok<MachineAnswer>(`GET ${M}/${id}`)).nonce).to.equal(undefined);
      expect((await test.client.call(`DELETE ${M}/${id}?force=true`)).status).to.equal(409);
      await test.client.ok(`DELETE ${M}/${id}?force=true`, { nonce: nonce ?? '' });
    });

    it('lasts a sensible time', async () => {
      const { id } = await started();
      for (const ttl of [0, -1, 1.5, 1e9, 'soon']) {
        expect((await test.client.call(`POST ${M}/${id}/lease`, { body: { ttl } })).status).to.equal(400);
      }
    });
  });

  describe('metadata', () => {
    it('is set and removed key by key or several at once, without a new version', async () => {
      const { id, instance_id } = await started({ metadata: { a: '1', b: '2', c: '3' } });
      await test.client.ok(`POST ${M}/${id}/metadata/fly_release_version`, { body: { value: '7' } });
      expect(await test.client.ok(`GET ${M}/${id}/metadata/fly_release_version`)).to.deep.equal({
        value: '7',
      });
      await test.client.ok(`DELETE ${M}/${id}/metadata/a`);
      await test.client.ok(`PUT ${M}/${id}/metadata`, { body: { metadata: { b: null, d: '4' } } });
      await test.client.ok(`PATCH ${M}/${id}/metadata`, {
        body: { metadata: { c: '' }, machine_version: instance_id },
      });
      expect(await test.client.ok(`GET ${M}/${id}/metadata`)).to.deep.equal({
        d: '4',
        fly_release_version: '7',
      });
      const machine = await test.client.ok<MachineAnswer>(`GET ${M}/${id}`);
      expect(machine.config.metadata).to.deep.equal({ d: '4', fly_release_version: '7' });
      expect(machine.instance_id).to.equal(instance_id);
      expect((await test.client.call(`GET ${M}/${id}/metadata/a`)).status).to.equal(404);
    });

    it('is not changed for a version that is no longer the present one', async () => {
      const { id } = await started({ metadata: { a: '1' } });
      const body = { metadata: { a: '2' }, machine_version: '01AAAAAAAAAAAAAAAAAAAAAAAA' };
      expect((await test.client.call(`PUT ${M}/${id}/metadata`, { body })).status).to.equal(412);
      expect(await test.client.ok(`GET ${M}/${id}/metadata`)).to.deep.equal({ a: '1' });
    });
  });

  describedOperations(
    () => test.client.spec,
    [
      `GET ${DESCRIBED}/wait`,
      ...['GET', 'POST', 'DELETE'].map((method) => `${method} ${DESCRIBED}/lease`),
      ...['GET', 'PUT', 'PATCH'].map((method) => `${method} ${DESCRIBED}/metadata`),
      ...['GET', 'POST', 'DELETE'].map((method) => `${method} ${DESCRIBED}/metadata/{key}`),
    ],
  );
});
