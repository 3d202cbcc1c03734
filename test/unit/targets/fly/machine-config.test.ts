import { expect } from 'chai';
import { digestOf } from '../../../../src/oci/digest.js';
import type { MachineConfig } from '../../../../src/targets/fly/machine.js';
import { machineConfig, restoredConfig, undoneConfig } from '../../../../src/targets/fly/machine-config.js';
import { sameConfig } from '../../../../src/targets/fly/same-config.js';
import { configOf, HTTP, IMAGE } from './fixtures.js';

const LABEL = {
  id: 'r-2',
  version: 2,
  image: IMAGE,
  health: 'pending' as const,
  lastHealthy: 1,
  previous: { version: 1, image: `registry.fly.io/shop@${digestOf('v1')}`, digest: digestOf('v1') },
};

describe('the configuration of a machine in a release', () => {
  it('is made of the image by digest, the environment, the service of [http_service] and the labels', () => {
    const config = configOf({ env: { MODE: 'live' }, httpService: HTTP, primaryRegion: 'ams' });
    expect(machineConfig(config, LABEL, undefined)).to.deep.equal({
      image: IMAGE.deployed,
      env: { MODE: 'live', PRIMARY_REGION: 'ams' },
      services: [
        {
          protocol: 'tcp',
          internal_port: 8080,
          autostart: true,
          autostop: 'stop',
          min_machines_running: 0,
          ports: [
            { port: 80, handlers: ['http'], force_https: true },
            { port: 443, handlers: ['http', 'tls'] },
          ],
          checks: [
            {
              type: 'http',
              method: 'GET',
              path: '/up',
              interval: '15s',
              timeout: '2500ms',
              grace_period: '1s',
              headers: [{ name: 'X-Probe', values: ['deployer'] }],
            },
          ],
        },
      ],
      metadata: {
        fly_platform_version: 'v2',
        fly_process_group: 'app',
        fly_release_id: 'r-2',
        fly_release_version: '2',
        deployer_release_id: 'r-2',
        deployer_digest: IMAGE.digest,
        deployer_previous_version: '1',
        deployer_previous_digest: digestOf('v1'),
        deployer_previous_image: LABEL.previous.image,
        deployer_http_service: '8080',
        deployer_health: 'pending',
        deployer_last_healthy: '1',
      },
    });
  });

  describe('of the environment', () => {
    const existing: MachineConfig = { image: 'x', env: { OLD: '1', MODE: 'test' } };

    it('takes the file for the whole truth: what is not in it goes', () => {
      const config = machineConfig(configOf({ env: { MODE: 'live' } }), LABEL, existing);
      expect(config.env).to.deep.equal({ MODE: 'live' });
    });

    it('adds to what the machine has when there is no file', () => {
      const { file: _file, ...withoutFile } = configOf({ env: { MODE: 'live' } });
      expect(machineConfig(withoutFile, LABEL, existing).env).to.deep.equal({ OLD: '1', MODE: 'live' });
    });
  });

  describe('of the services', () => {
    const web = {
      internal_port: 3000,
      protocol: 'tcp',
      concurrency: { type: 'requests', soft_limit: 200 },
      ports: [{ port: 443, handlers: ['tls', 'http'], tls_options: { alpn: ['h2'] } }],
    };
    const database = { internal_port: 5432, protocol: 'tcp', ports: [{ port: 5432 }] };

    it('replaces the one that serves the web, keeping what [http_service] does not speak of', () => {
      const config = machineConfig(configOf({ httpService: HTTP }), LABEL, { services: [database, web] });
      expect(config.services).to.have.lengthOf(2);
      expect(config.services?.[0]).to.deep.include({ internal_port: 8080, concurrency: web.concurrency });
      expect(config.services?.[0]?.ports?.[1]).to.deep.equal({
        port: 443,
        handlers: ['http', 'tls'],
        tls_options: { alpn: ['h2'] },
      });
      expect(config.services?.[1]).to.deep.equal(database);
    });

    it('keeps all when there is no file, and none of them is ours to take away', () => {
      const { file: _file, ...withoutFile } = configOf();
      const mine = { services: [web], metadata: { deployer_http_service: '3000' } };
      expect(machineConfig(withoutFile, LABEL, mine).services).to.deep.equal([web]);
      expect(machineConfig(configOf(), LABEL, { services: [web] }).services).to.deep.equal([web]);
    });

    it('takes away the one that it made when [http_service] is taken out of the file', () => {
      const mine = { services: [web, database], metadata: { deployer_http_service: '3000' } };
      const config = machineConfig(configOf(), LABEL, mine);
      expect(config.services).to.deep.equal([database]);
      expect(config.metadata).to.not.have.property('deployer_http_service');
    });
  });

  it('forgets the previous release of before when there is none now', () => {
    const existing = { metadata: { deployer_previous_image: 'stale', team: 'blue' } };
    const { previous: _previous, ...first } = LABEL;
    const { metadata } = machineConfig(configOf(), first, existing);
    expect(metadata).to.not.have.property('deployer_previous_image');
    expect(metadata).to.include({ team: 'blue' });
  });
});

describe('the configuration that puts a past release back', () => {
  it('runs the image as that release ran it, on the machine as it is', () => {
    const past = {
      image: 'old',
      env: { MODE: 'classic' },
      guest: { cpus: 1 },
      services: [{ internal_port: 1 }],
      metadata: { deployer_http_service: '1' },
    };
    const existing = {
      image: 'new',
      env: { MODE: 'modern' },
      guest: { cpus: 8 },
      mounts: [{ volume: 'v' }],
      checks: { added: { interval: '1s' } },
      metadata: { team: 'blue', deployer_http_service: '2' },
    };
    const config = restoredConfig(past, LABEL, existing);
    expect(config).to.deep.include({
      image: IMAGE.deployed,
      env: { MODE: 'classic' },
      services: [{ internal_port: 1 }],
      guest: { cpus: 8 },
      mounts: [{ volume: 'v' }],
    });
    expect(config).to.not.have.property('checks');
    expect(config.metadata).to.include({
      team: 'blue',
      deployer_http_service: '1',
      fly_release_version: '2',
    });
  });
});

describe('the configuration that undoes a release', () => {
  it('is what was there, by digest, and remembers which number is used up', () => {
    const before = { image: 'shop:v1', env: { A: '1' }, metadata: { fly_release_version: '1' } };
    expect(undoneConfig(before, 'shop:v1@sha256:abc', 2)).to.deep.equal({
      image: 'shop:v1@sha256:abc',
      env: { A: '1' },
      metadata: { fly_release_version: '1', deployer_rolled_back: '2' },
    });
  });
});

describe('whether two configurations are the same', () => {
  const wanted = machineConfig(configOf({ httpService: HTTP, env: { A: '1' } }), LABEL, undefined);

  it('does not mind the labels of the release, nor how the API spells what it gives back', () => {
    const asTheApiSaysIt = {
      ...wanted,
      metadata: {
        ...wanted.metadata,
        fly_release_version: '1',
        fly_release_id: 'r-1',
        deployer_release_id: 'r-1',
      },
      services: wanted.services?.map((service) => ({
        ...service,
        autostop: true,
        min_machines_running: null,
        force_instance_key: null,
      })),
      mounts: [],
      init: {},
    };
    expect(sameConfig(asTheApiSaysIt, wanted)).to.equal(true);
  });

  for (const [what, change] of Object.entries({
    'another image': { image: 'other' },
    'another variable': { env: { A: '2' } },
    'one more variable': { env: { A: '1', B: '' } },
    'other metadata': { metadata: { ...wanted.metadata, team: 'blue' } },
    'a service less': { services: [] },
  }))
    it(`tells ${what}`, () => {
      expect(sameConfig({ ...wanted, ...change } as MachineConfig, wanted)).to.equal(false);
    });

  it('tells a check that is asked less often', () => {
    const [service] = wanted.services ?? [];
    const slower = { ...service, checks: [{ ...service?.checks?.[0], interval: '30s' }] };
    expect(sameConfig({ ...wanted, services: [slower] }, wanted)).to.equal(false);
  });
});
