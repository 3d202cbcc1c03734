import { expect } from 'chai';
import { DeployerError } from '../../../src/lib/errors.js';
import { startEmulatorOnDocker, type EmulatorOnDocker } from '../../support/emulator-on-docker.js';
import { eventually } from '../../support/eventually.js';
import type { MachineAnswer } from '../../support/machines-client.js';
import { requires } from '../../support/requirements.js';

const M = '/apps/shop/machines';
const CHECK = { type: 'http', path: '/', interval: '200ms', timeout: '1s' };
const SERVICE = { internal_port: 8080, protocol: 'tcp', checks: [CHECK] };
const IDLE = { init: { exec: ['/bin/sleep', '1000'] } };
/** Does not end when it is told to, but when its engine does. */
const STUBBORN = {
  init: { exec: ['/bin/sh', '-c', `trap 'echo heard' INT; while true; do sleep 0.1; done`] },
};

describe('machines whose Docker Engine crashes', function () {
  requires('docker-engine', 'busybox');
  this.timeout(60_000);

  let engine: EmulatorOnDocker['engine'];
  let test: EmulatorOnDocker['test'];
  let image: string;
  let stop: EmulatorOnDocker['stop'] | undefined;

  beforeEach(async () => {
    ({ engine, test, image, stop } = await startEmulatorOnDocker());
    await test.client.ok('POST /apps', { body: { name: 'shop', org_slug: 'personal' } });
  });
  afterEach(async () => {
    await stop?.();
    stop = undefined;
  });

  const create = (config: object = {}): Promise<MachineAnswer> =>
    test.client.ok<MachineAnswer>(`POST ${M}`, { body: { config: { image, ...config } } });
  const update = (id: string, config: object = {}): Promise<MachineAnswer> =>
    test.client.ok<MachineAnswer>(`POST ${M}/${id}`, { body: { config: { image, ...config } } });
  const inState = (id: string, state: string): Promise<MachineAnswer> =>
    test.machineThat(`${M}/${id}`, (machine) => machine.state === state, 20_000);
  const healthy = (id: string, version?: string): Promise<MachineAnswer> =>
    test.machineThat(
      `${M}/${id}`,
      ({ state, checks, instance_id }) =>
        state === 'started' &&
        checks.every(({ status }) => status === 'passing') &&
        instance_id === (version ?? instance_id),
      20_000,
    );
  const exits = ({ events }: MachineAnswer): unknown[] =>
    events.flatMap(({ type, request }) => (type === 'exit' ? [request?.exit_event?.requested_stop] : []));
  const containers = async (): Promise<(string | undefined)[]> =>
    (await engine.docker.listContainers({ all: true })).map(({ Labels }) => Labels['deployer.machine']);

  it('are what their containers are when it is back: started again by their policy, or at rest', async () => {
    const [web, once] = await Promise.all([
      create({ services: [SERVICE] }),
      create({ ...IDLE, restart: { policy: 'no' } }),
    ]);
    await Promise.all([healthy(web.id), inState(once.id, 'started')]);
    await engine.crash();
    await engine.startAgain();
    expect(exits(await inState(once.id, 'stopped'))).to.deep.equal([false]);
    const again = await test.machineThat(
      `${M}/${web.id}`,
      (machine) => machine.state === 'started' && exits(machine).length > 0,
      20_000,
    );
    expect(exits(again)).to.deep.equal([false]);
    await healthy(web.id);
    expect(await containers()).to.deep.equal([web.id]);
  });

  it('that were suspended have lost their memory, are started again, and obey', async () => {
    const { id } = await create(IDLE);
    await inState(id, 'started');
    await test.client.ok(`POST ${M}/${id}/suspend`);
    await inState(id, 'suspended');
    await engine.crash();
    await engine.startAgain();
    await inState(id, 'started');
    await test.client.ok(`POST ${M}/${id}/stop`);
    await inState(id, 'stopped');
    expect(await containers()).to.deep.equal([]);
  });

  it('fail when they are updated while it is away, and take the next update when it is back', async () => {
    const { id } = await create({ services: [SERVICE] });
    await healthy(id);
    await engine.crash();
    for (const attempt of ['a new version', 'the old one again']) {
      await update(id, { services: [SERVICE], metadata: { attempt } });
      const { events } = await inState(id, 'failed');
      expect(events[0]?.request?.error).to.contain('the connection to the Docker Engine broke');
    }
    await engine.startAgain();
    const { instance_id } = await update(id, { services: [SERVICE] });
    await healthy(id, instance_id);
    expect(await containers()).to.deep.equal([id]);
  });

  it('are replaced when it is back, if they were about to be when it crashed', async () => {
    const { id } = await create({ ...STUBBORN, stop_config: { timeout: '30s' } });
    await inState(id, 'started');
    const { instance_id } = await update(id, { services: [SERVICE] });
    const [old] = await engine.docker.listContainers();
    await eventually(async () => {
      const said = await engine.docker.getContainer(old?.Id ?? '').logs({ stdout: true });
      expect(said.toString()).to.contain('heard');
    });
    await engine.crash();
    await engine.startAgain();
    await healthy(id, instance_id);
    expect(await containers()).to.deep.equal([id]);
  });

  it('keep nobody waiting who ends the emulator while it hangs, and are named with what removes them', async () => {
    const { id } = await create(IDLE);
    await inState(id, 'started');
    process.kill(engine.pid, 'SIGSTOP');
    try {
      const error: unknown = await test.emulator.close().catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(DeployerError);
      expect(error).to.include({ code: 'engine_unavailable' });
      const { message, suggestions } = error as DeployerError;
      expect(message).to.match(/^containers of this emulator may be left: .* did not answer within 4/);
      expect(suggestions[0]).to.match(/^docker rm -f \$\(docker ps -aq --filter label=deployer\.emulator=/);
    } finally {
      process.kill(engine.pid, 'SIGCONT');
    }
  });
});
