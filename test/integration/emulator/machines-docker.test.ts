import { expect } from 'chai';
import { DeployerError } from '../../../src/lib/errors.js';
import { startDockerEngine } from '../../support/docker-engine.js';
import { startEmulatorOnDocker, type EmulatorOnDocker } from '../../support/emulator-on-docker.js';
import { buildxIndex } from '../../support/image-fixtures.js';
import type { EventAnswer, MachineAnswer } from '../../support/machines-client.js';
import { eventually } from '../../support/eventually.js';
import { requires } from '../../support/requirements.js';
import { startTestEmulator } from '../../support/test-emulator.js';

const M = '/apps/shop/machines';
const CHECK = { type: 'http', path: '/', interval: '200ms', timeout: '1s', grace_period: '50ms' };
const SERVICE = { internal_port: 8080, protocol: 'tcp', checks: [CHECK] };

describe('machines on a real Docker Engine', function () {
  requires('docker-engine', 'busybox');
  this.timeout(60_000);

  let engine: EmulatorOnDocker['engine'];
  let test: EmulatorOnDocker['test'];
  let image: string;
  let stop: EmulatorOnDocker['stop'] | undefined;

  before(async () => {
    ({ engine, test, image, stop } = await startEmulatorOnDocker());
  });
  after(() => stop?.());

  beforeEach(() => test.client.ok('POST /apps', { body: { name: 'shop', org_slug: 'personal' } }));
  afterEach(() => test.client.ok('DELETE /apps/shop'));

  const create = (config: object = {}, more: object = {}): Promise<MachineAnswer> =>
    test.client.ok<MachineAnswer>(`POST ${M}`, { body: { config: { image, ...config }, ...more } });
  const shell = (script: string): object => ({ init: { exec: ['/bin/sh', '-c', script] } });
  const healthy = (id: string): Promise<MachineAnswer> =>
    test.machineThat(
      `${M}/${id}`,
      ({ state, checks }) => state === 'started' && checks.every(({ status }) => status === 'passing'),
    );
  const containers = async (): Promise<string[]> =>
    (await engine.docker.listContainers({ all: true })).map(({ Labels }) => Labels['deployer.machine'] ?? '');
  const appUrl = async (): Promise<string> =>
    (await test.client.ok<{ deployer_url: string }>('GET /apps/shop')).deployer_url;
  const get = async (url: string): Promise<string> => {
    const response = await fetch(url);
    return `${response.status} ${(await response.text()).trim()}`;
  };
  const exitOf = (events: readonly EventAnswer[]): EventAnswer['request'] =>
    events.find(({ type }) => type === 'exit')?.request;

  it('are containers, pulled by digest from the registry, that answer on loopback', async () => {
    const { id, instance_id } = await create({
      services: [SERVICE],
      env: { GREETING: 'hello' },
      guest: { memory_mb: 32 },
    });
    const machine = await healthy(id);
    expect(machine.deployer_simulated).to.equal(false);
    expect(machine.checks[0]).to.include({ name: 'servicecheck-00-http-8080', status: 'passing' });
    expect(machine.checks[0]?.output).to.contain('200 OK').and.to.contain('version one');
    expect(await get(machine.deployer_url ?? '')).to.equal('200 version one');
    expect(await get(await appUrl())).to.equal('200 version one');

    const [listed] = await engine.docker.listContainers();
    const info = await engine.docker.getContainer(listed?.Id ?? '').inspect();
    expect(info.Config.Image).to.equal(image);
    expect(info.Config.Env).to.include.members([
      'GREETING=hello',
      'FLY_APP_NAME=shop',
      `FLY_MACHINE_ID=${id}`,
    ]);
    expect(info.Config.Env).to.include(`FLY_MACHINE_VERSION=${instance_id}`);
    expect(info.Config.Labels).to.include({ 'deployer.app': 'shop', 'deployer.machine': id });
    expect(info.HostConfig.Memory).to.equal(32 * 1024 * 1024);
    expect(info.NetworkSettings.Ports['8080/tcp']?.map(({ HostIp }) => HostIp)).to.deep.equal(['127.0.0.1']);
    const processes = await test.client.ok<{ command: string }[]>(`GET ${M}/${id}/ps`);
    expect(processes.some(({ command }) => command.includes('httpd'))).to.equal(true);
  });

  it('are reached at one URL over all releases, and never at the old version once the new one is healthy', async () => {
    const two = await test.push('shop', await buildxIndex({ message: 'version two' }));
    const { id } = await create({ services: [SERVICE] });
    await healthy(id);
    const url = await appUrl();
    await test.client.ok(`POST ${M}/${id}`, { body: { config: { image: two, services: [SERVICE] } } });
    const after = await healthy(id);
    expect(after.image_ref.digest).to.equal(two.split('@')[1]);
    expect(await appUrl()).to.equal(url);
    expect(await get(url)).to.equal('200 version two');
    expect(await containers()).to.deep.equal([id]);
  });

  it('take turns behind the URL, and get no request while cordoned or unhealthy', async () => {
    const body = (name: string): object => ({
      services: [SERVICE],
      ...shell(`mkdir -p /www && echo ${name} > /www/index.html && exec httpd -f -p 8080 -h /www`),
    });
    const blue = await create(body('blue'));
    const green = await create(body('green'));
    const red = await create({
      ...body('red'),
      services: [{ ...SERVICE, checks: [{ ...CHECK, path: '/missing' }] }],
    });
    await healthy(blue.id);
    await healthy(green.id);
    await test.client.ok(`GET ${M}/${red.id}/wait?state=started`);
    const url = await appUrl();
    const answers = async (): Promise<Set<string>> =>
      new Set(await Promise.all(Array.from({ length: 6 }, () => get(url))));
    expect([...(await answers())]).to.have.members(['200 blue', '200 green']);
    await test.client.ok(`POST ${M}/${blue.id}/cordon`);
    expect([...(await answers())]).to.deep.equal(['200 green']);
    await test.client.ok(`POST ${M}/${green.id}/cordon`);
    expect(await get(url)).to.equal('503 shop: no healthy machine');
  });

  it('that exit are noticed, with their exit code and last words, and not restarted under policy no', async () => {
    const { id } = await create({
      ...shell('echo the disk is on fire >&2; sleep 0.3; exit 3'),
      restart: { policy: 'no' },
    });
    await test.client.ok(`GET ${M}/${id}/wait?state=stopped&timeout=20`);
    const { events } = await test.client.ok<MachineAnswer>(`GET ${M}/${id}`);
    expect(exitOf(events)).to.deep.include({ restart_count: 0 });
    expect(exitOf(events)?.exit_event).to.include({
      exit_code: 3,
      oom_killed: false,
      requested_stop: false,
      restarting: false,
    });
    expect(test.lines).to.include(`shop ${id}: its process ended with exit code 3`);
    expect(test.lines).to.include(`shop ${id}: | the disk is on fire`);
    expect(await containers()).to.deep.equal([]);
  });

  it('that fail are restarted max_retries times, and rest then', async () => {
    const { id } = await create({ ...shell('exit 1'), restart: { policy: 'on-failure', max_retries: 1 } });
    const machine = await test.machineThat(
      `${M}/${id}`,
      ({ state, events }) => state === 'stopped' && events.length > 4,
    );
    const exits = machine.events.filter(({ type }) => type === 'exit');
    expect(
      exits.map(({ request }) => [request?.restart_count, request?.exit_event?.restarting]),
    ).to.deep.equal([
      [1, false],
      [0, true],
    ]);
  });

  it('that run out of memory say so', async () => {
    const { id } = await create({
      ...shell('x=0123456789abcdef; while true; do x=$x$x; done'),
      guest: { memory_mb: 16 },
      restart: { policy: 'no' },
    });
    await test.client.ok(`GET ${M}/${id}/wait?state=stopped&timeout=30`);
    const { events } = await test.client.ok<MachineAnswer>(`GET ${M}/${id}`);
    expect(exitOf(events)?.exit_event).to.include({ oom_killed: true, exit_code: 137 });
  });

  it('whose checks fail stay critical with what was answered, or that nothing answered', async () => {
    const config = {
      services: [{ ...SERVICE, checks: [{ ...CHECK, path: '/missing' }] }],
      checks: {
        closed: { type: 'tcp', port: 9999, interval: '100ms' },
        open: { type: 'tcp', port: 8080, interval: '100ms' },
        deaf: { type: 'http', port: 7000, path: '/', interval: '100ms', timeout: '300ms' },
      },
    };
    const { id } = await create(config);
    const { checks } = await test.machineThat(`${M}/${id}`, (machine) =>
      machine.checks.every(
        ({ output }) => output !== 'waiting for the first result' && !output.includes("hasn't"),
      ),
    );
    const byName = Object.fromEntries(
      checks.map(({ name, status, output }) => [name, `${status} ${output}`]),
    );
    expect(byName['servicecheck-00-http-8080']).to.match(/^critical 404 Not Found/);
    expect(byName['closed']).to.match(/^critical .*(refused|closed|reset|hang up|ECONN)/i);
    expect(byName['open']).to.equal('passing connected');
    expect(byName['deaf']).to.match(/^critical .*(refused|closed|reset|hang up|ECONN|no answer)/i);
  });

  it('whose image can not be had fail, saying why', async () => {
    const { id } = await create({ image: '127.0.0.1:1/nobody/there:v1' });
    const { events, state } = await test.machineThat(`${M}/${id}`, (machine) => machine.state === 'failed');
    expect(state).to.equal('failed');
    expect(events[0]).to.include({ type: 'launch', status: 'failed' });
    expect(events[0]?.request?.error).to.match(/connection refused|failed to pull/);
  });

  it('whose program is not in the image end with 127, and leave no container', async () => {
    const { id } = await create({ init: { exec: ['/no/such/program'] }, restart: { policy: 'no' } });
    await test.client.ok(`GET ${M}/${id}/wait?state=stopped&timeout=20`);
    const { events } = await test.client.ok<MachineAnswer>(`GET ${M}/${id}`);
    expect(exitOf(events)?.exit_event).to.include({ exit_code: 127, requested_stop: false });
    expect(test.lines.join('\n')).to.match(new RegExp(`shop ${id}: \\| .*/no/such/program`));
    expect(await containers()).to.deep.equal([]);
  });

  it('are stopped with their signal, and killed when they do not heed it', async () => {
    const deaf = await create({
      ...shell(`trap '' INT TERM; while true; do sleep 0.1; done`),
      stop_config: { signal: 'SIGTERM', timeout: '500ms' },
    });
    const polite = await create(shell(`trap 'exit 7' USR1; while true; do sleep 0.1; done`));
    for (const { id } of [deaf, polite]) await test.client.ok(`GET ${M}/${id}/wait?state=started&timeout=20`);
    await test.client.ok(`POST ${M}/${deaf.id}/stop`);
    await test.client.ok(`POST ${M}/${polite.id}/stop`, { body: { signal: 'SIGUSR1', timeout: '10s' } });
    for (const [{ id }, code] of [
      [deaf, 137],
      [polite, 7],
    ] as const) {
      await test.client.ok(`GET ${M}/${id}/wait?state=stopped&timeout=20`);
      const { events } = await test.client.ok<MachineAnswer>(`GET ${M}/${id}`);
      expect(exitOf(events)?.exit_event).to.include({ exit_code: code, requested_stop: true });
    }
    expect(await containers()).to.deep.equal([]);
  });

  it('are suspended and resumed with their memory', async () => {
    const { id } = await create({ services: [SERVICE] });
    await healthy(id);
    await test.client.ok(`POST ${M}/${id}/suspend`);
    await test.client.ok(`GET ${M}/${id}/wait?state=suspended`);
    expect((await engine.docker.listContainers()).map(({ State }) => State)).to.deep.equal(['paused']);
    expect(await get(await appUrl())).to.equal('503 shop: no healthy machine');
    await test.client.ok(`POST ${M}/${id}/start`);
    await healthy(id);
    expect(await get(await appUrl())).to.equal('200 version one');
  });

  it('are gone after they are destroyed, and so is their container', async () => {
    const { id } = await create({ services: [SERVICE] });
    await healthy(id);
    await test.client.ok(`DELETE ${M}/${id}?force=true`);
    await test.client.ok(`GET ${M}/${id}/wait?state=destroyed`);
    expect(await containers()).to.deep.equal([]);
  });

  it('killed behind the back of the emulator are noticed and restarted', async () => {
    const { id } = await create({ services: [SERVICE] });
    await healthy(id);
    const [listed] = await engine.docker.listContainers();
    await engine.docker.getContainer(listed?.Id ?? '').remove({ force: true });
    const { events } = await test.machineThat(
      `${M}/${id}`,
      (machine) => machine.state === 'started' && exitOf(machine.events) !== undefined,
    );
    expect(exitOf(events)?.exit_event).to.include({
      exit_code: 137,
      restarting: true,
      requested_stop: false,
    });
  });

  it('do not outlive the emulator, and run again, healthy and at the same URL, at its next start', async () => {
    const { id, instance_id } = await create({ services: [SERVICE], metadata: { fly_release_version: '4' } });
    await healthy(id);
    const resting = await create({}, { skip_launch: true });
    await test.client.ok(`GET ${M}/${resting.id}/wait?state=stopped`);
    const url = await appUrl();
    await test.restart();
    const after = await healthy(id);
    expect(after.instance_id).to.equal(instance_id);
    expect(after.config.metadata).to.deep.equal({ fly_release_version: '4' });
    expect((await test.client.ok<MachineAnswer>(`GET ${M}/${resting.id}`)).state).to.equal('stopped');
    expect(await appUrl()).to.equal(url);
    expect(await get(url)).to.equal('200 version one');
    expect(await containers()).to.deep.equal([id]);
  });

  it('are started and stopped side by side, however many, and Node warns of no leak', async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): unknown => warnings.push(warning);
    process.on('warning', onWarning);
    try {
      await Promise.all(Array.from({ length: 12 }, () => create(shell('exec sleep 1000'))));
      await eventually(async () => expect(await containers()).to.have.length(12));
      await test.restart();
      // Node tells of a warning in a turn of its own.
      await new Promise((resolve) => setImmediate(resolve));
    } finally {
      process.off('warning', onWarning);
    }
    expect(warnings.map(({ stack }) => stack)).to.deep.equal([]);
  });

  it('leave no container when the emulator is closed', async () => {
    await using other = await startTestEmulator({ runtime: 'auto', env: { DOCKER_HOST: engine.dockerHost } });
    const copy = await other.push('shop', await buildxIndex({ message: 'version one' }));
    await other.client.ok('POST /apps', { body: { name: 'other', org_slug: 'personal' } });
    const { id } = await other.client.ok<MachineAnswer>('POST /apps/other/machines', {
      body: { config: { image: copy } },
    });
    await other.client.ok(`GET /apps/other/machines/${id}/wait?state=started&timeout=20`);
    expect(await containers()).to.deep.equal([id]);
    await other.emulator.close();
    expect(await containers()).to.deep.equal([]);
  });

  it('fail when the engine goes away and does not come back, and the emulator says what it could not clean up', async () => {
    const lost = await startDockerEngine();
    const other = await startTestEmulator({ runtime: 'docker', env: { DOCKER_HOST: lost.dockerHost } });
    const copy = await other.push('shop', await buildxIndex());
    await other.client.ok('POST /apps', { body: { name: 'other', org_slug: 'personal' } });
    const path = '/apps/other/machines';
    const { id } = await other.client.ok<MachineAnswer>(`POST ${path}`, {
      body: { config: { image: copy, restart: { policy: 'on-failure', max_retries: 2 } } },
    });
    await other.client.ok(`GET ${path}/${id}/wait?state=started&timeout=20`);
    await lost.stop();
    await other.client.ok(`GET ${path}/${id}/wait?state=failed&timeout=20`);
    const error = await other.stop().then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).to.be.instanceOf(DeployerError);
    expect(error).to.include({ code: 'engine_unavailable' });
  });
});
