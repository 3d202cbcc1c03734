import { once } from 'node:events';
import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { startServer, waitUntilReady, type ServerProcess } from '../support/child-process.js';
import { startDockerEngine } from '../support/docker-engine.js';
import { eventually } from '../support/eventually.js';
import { buildxIndex } from '../support/image-fixtures.js';
import { MachinesClient, type MachineAnswer } from '../support/machines-client.js';
import { PROJECT, runProgram } from '../support/program.js';
import { pushFixture } from '../support/push-fixture.js';
import { requires } from '../support/requirements.js';
import { makeTempFolder, type TempFolder } from '../support/temp-folder.js';

interface Ready {
  readonly registry: string;
  readonly apiUrl: string;
  readonly token: string;
  readonly runtime: string;
  readonly pid: number;
}

const ANY_PORTS = ['--registry-port', '0', '--api-port', '0'];

describe('deployer emulator start', () => {
  let folder: TempFolder;
  let dataDir: string;
  const running = new Set<ServerProcess>();

  beforeEach(async () => {
    folder = await makeTempFolder('emulator-start');
    dataDir = join(folder.path, 'data');
  });
  afterEach(async () => {
    for (const server of running) await server.stop();
    running.clear();
    await folder.remove();
  });

  const spawn = (args: readonly string[], env: Readonly<Record<string, string>> = {}): ServerProcess => {
    const server = startServer({
      program: process.execPath,
      args: [join(PROJECT, 'bin/run.js'), 'emulator', 'start', '--data-dir', dataDir, ...args],
      env: { DOCKER_HOST: `unix://${folder.path}/no.sock`, DEPLOYER_EMULATOR_TOKEN: '', ...env },
    });
    running.add(server);
    return server;
  };
  const startJson = async (
    args: readonly string[] = [],
    env: Readonly<Record<string, string>> = {},
  ): Promise<{ server: ServerProcess; ready: Ready }> => {
    const server = spawn(['--json', ...ANY_PORTS, ...args], env);
    const ready = await waitUntilReady('the emulator', server, () =>
      server.log().includes('\n') ? (JSON.parse(server.log()) as Ready) : undefined,
    );
    return { server, ready };
  };

  const endedBy = async (server: ServerProcess, signal: NodeJS.Signals): Promise<number | null> => {
    process.kill(server.pid, signal);
    await eventually(() => expect(server.exited()).to.equal(true));
    return server.exitCode();
  };

  it('says in one line of JSON how it is reached, keeps its token to its owner, and ends with 0 when told to', async () => {
    const { server, ready } = await startJson(['--runtime', 'none']);
    expect(ready).to.have.all.keys('registry', 'apiUrl', 'token', 'runtime', 'runtimeDescription', 'pid');
    expect(ready).to.include({ runtime: 'none', pid: server.pid });
    expect(ready.registry).to.match(/^localhost:\d+$/);
    expect((await fetch(`http://${ready.registry}/v2/`)).status).to.equal(200);
    const tokenFile = join(dataDir, 'token');
    expect((await readFile(tokenFile, 'utf8')).trim()).to.equal(ready.token);
    expect((await stat(tokenFile)).mode & 0o777).to.equal(0o600);
    expect((await stat(dataDir)).mode & 0o777).to.equal(0o700);

    const client = new MachinesClient(ready.apiUrl, ready.token);
    await client.ok('POST /apps', { body: { name: 'shop', org_slug: 'personal' } });
    const image = `registry.example.com/shop@sha256:${'a'.repeat(64)}`;
    const { id } = await client.ok<MachineAnswer>('POST /apps/shop/machines', {
      body: { config: { image } },
    });
    await client.ok(`GET /apps/shop/machines/${id}/wait?state=started`);

    // A long poll does not hold it back.
    const polling = client.call(`GET /apps/shop/machines/${id}/wait?state=stopped`).catch(() => 'cut off');
    const began = Date.now();
    expect(await endedBy(server, 'SIGTERM')).to.equal(0);
    expect(await polling).to.equal('cut off');
    expect(Date.now() - began).to.be.below(5000);

    const again = await startJson(['--runtime', 'none']);
    expect(again.ready.token).to.equal(ready.token);
    const taken = new MachinesClient(again.ready.apiUrl, again.ready.token);
    await taken.ok(`GET /apps/shop/machines/${id}/wait?state=started`);
  });

  it('tells a person what to export, without telling the token', async () => {
    const server = spawn([...ANY_PORTS, '--runtime', 'auto'], {
      DEPLOYER_EMULATOR_TOKEN: 'a-token-of-my-own',
    });
    await waitUntilReady('the emulator', server, () => server.log().includes('Ctrl-C') || undefined);
    const text = server.log();
    expect(text).to.match(/^Registry {2}localhost:\d+ {4}docker push localhost:\d+\/NAME:TAG$/m);
    expect(text).to.match(
      /^Runtime {3}none: machines are simulated: no Docker Engine answers; DOCKER_HOST, unix:.*no\.sock: /m,
    );
    expect(text).to.match(/export DEPLOYER_API_URL=http:\/\/127\.0\.0\.1:\d+$/m);
    expect(text).to.contain(`export DEPLOYER_API_TOKEN="$(cat '${join(dataDir, 'token')}')"`);
    expect(text).to.not.contain('a-token-of-my-own');
    expect((await readFile(join(dataDir, 'token'), 'utf8')).trim()).to.equal('a-token-of-my-own');
    expect(await endedBy(server, 'SIGINT')).to.equal(0);
  });

  it('names the flag of a port that is taken, and leaves nothing running', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    for (const flag of ['--registry-port', '--api-port']) {
      const args = ['emulator', 'start', '--json', '--runtime', 'none', '--data-dir', dataDir];
      const { code, stdout } = await runProgram([
        ...args,
        ...ANY_PORTS.filter((_, at) => ANY_PORTS[at - (at % 2)] !== flag),
        flag,
        String(port),
      ]);
      expect(code, flag).to.equal(2);
      const { error } = JSON.parse(stdout) as { error: { message: string; code: string } };
      expect(error).to.include({ code: 'usage', message: `${flag} ${port}: port ${port} is in use` });
    }
    other.close();
  });

  it('refuses a folder that is in use, is a file, or holds something else, and changes nothing there', async () => {
    const start = (path: string): ReturnType<typeof runProgram> =>
      runProgram(['emulator', 'start', '--json', '--runtime', 'none', ...ANY_PORTS, '--data-dir', path]);
    const file = join(folder.path, 'file');
    await writeFile(file, 'mine');
    const ofFile = await start(file);
    expect([ofFile.code, ofFile.stdout.includes(`--data-dir ${file}`)]).to.deep.equal([2, true]);
    expect(await readFile(file, 'utf8')).to.equal('mine');

    // Where mkdir's own `recursive` asks for ever.
    for (const path of ['/proc/deployer-emulator', '/proc/deployer/emulator', '/proc/self']) {
      const ofProc = await start(path);
      expect([ofProc.code, ofProc.stdout.includes(path)], ofProc.stderr).to.deep.equal([2, true]);
    }

    await startJson(['--runtime', 'none']);
    const second = await start(dataDir);
    expect([second.code, second.stdout.includes('is in use by process')]).to.deep.equal([2, true]);
    expect(second.stdout).to.contain('--data-dir DIR --registry-port 0 --api-port 0');

    const torn = join(folder.path, 'torn');
    await mkdir(join(torn, 'machines'), { recursive: true });
    await chmod(torn, 0o700);
    await writeFile(join(torn, 'machines/state.json'), '{"version":1,');
    const ofTorn = await start(torn);
    expect([ofTorn.code, ofTorn.stdout.includes('machines/state.json')]).to.deep.equal([2, true]);
    expect(await readFile(join(torn, 'machines/state.json'), 'utf8')).to.equal('{"version":1,');
  });

  it('names the folder of the user, not a flag that was not given, when that can not be made', async () => {
    const home = join(folder.path, 'home');
    await mkdir(home);
    await writeFile(join(home, '.local'), 'a file');
    const args = ['emulator', 'start', '--runtime', 'none', ...ANY_PORTS];
    const { code, stderr } = await runProgram(args, { env: { HOME: home } });
    expect(code).to.equal(2);
    expect(stderr).to.match(/^✖ the user data folder .*\/home\/.*: can't be used: ENOTDIR/);
    expect(stderr).to.contain('Try: name a folder that you may write to: --data-dir DIR\n');
  });

  it('ends with 12 when it is to use an engine that does not answer, and with 2 for a token or DOCKER_HOST that is none', async () => {
    const start = (
      args: readonly string[],
      env: Readonly<Record<string, string>>,
    ): ReturnType<typeof runProgram> =>
      runProgram(['emulator', 'start', '--json', ...ANY_PORTS, '--data-dir', dataDir, ...args], { env });
    const noEngine = await start(['--runtime', 'docker'], { DOCKER_HOST: `unix://${folder.path}/no.sock` });
    expect(noEngine.code).to.equal(12);
    expect(noEngine.stdout).to.contain('engine_unavailable').and.to.contain('no.sock');
    expect(noEngine.stdout).to.contain('--runtime none').and.not.to.contain('oci:DIR');
    const badHost = await start([], { DOCKER_HOST: 'gopher://engine' });
    expect([badHost.code, badHost.stdout.includes('DOCKER_HOST')]).to.deep.equal([2, true]);
    const badToken = await start(['--runtime', 'none'], { DEPLOYER_EMULATOR_TOKEN: 'two words' });
    expect([badToken.code, badToken.stdout.includes('DEPLOYER_EMULATOR_TOKEN')]).to.deep.equal([2, true]);
    expect(badToken.stdout).to.not.contain('two words');
  });

  describe('with a Docker Engine', function () {
    requires('docker-engine', 'busybox');
    this.timeout(60_000);

    const pushShop = async ({ registry }: Ready): Promise<string> => {
      const image = await buildxIndex();
      const url = `http://127.0.0.1:${registry.split(':')[1]}`;
      await pushFixture({ url, repository: 'shop' }, 'v1', image);
      return `${registry}/shop@${image.digest}`;
    };

    it('stops its containers when it ends, and those of a run that was killed when it starts again', async () => {
      await using engine = await startDockerEngine();
      const env = { DOCKER_HOST: engine.dockerHost };
      const first = await startJson([], env);
      expect(first.ready.runtime).to.equal('docker');
      const client = new MachinesClient(first.ready.apiUrl, first.ready.token);
      const image = await pushShop(first.ready);
      await client.ok('POST /apps', { body: { name: 'shop', org_slug: 'personal' } });
      const config = {
        image,
        services: [{ internal_port: 8080 }],
      };
      const { id } = await client.ok<MachineAnswer>('POST /apps/shop/machines', { body: { config } });
      await client.ok(`GET /apps/shop/machines/${id}/wait?state=started&timeout=30`);
      const [orphan] = await engine.docker.listContainers();

      await endedBy(first.server, 'SIGKILL');
      expect(await engine.docker.listContainers()).to.have.length(1);

      const second = await startJson([], env);
      const again = new MachinesClient(second.ready.apiUrl, second.ready.token);
      await again.ok(`GET /apps/shop/machines/${id}/wait?state=started&timeout=30`);
      const containers = await engine.docker.listContainers({ all: true });
      expect(containers.map(({ Labels }) => Labels['deployer.machine'])).to.deep.equal([id]);
      expect(containers[0]?.Id).to.not.equal(orphan?.Id);

      // What a terminal sends that closes.
      expect(await endedBy(second.server, 'SIGHUP')).to.equal(0);
      expect(await engine.docker.listContainers({ all: true })).to.deep.equal([]);
    });

    it('ends although the engine hangs, at once at a second SIGTERM, and says how to remove what is left', async () => {
      await using engine = await startDockerEngine();
      const env = { DOCKER_HOST: engine.dockerHost };
      const remove = /docker rm -f \$\(docker ps -aq --filter label=deployer\.emulator=[\w-]+\)/;
      const hangingUnder = async (server: ServerProcess, end: () => Promise<void>): Promise<void> => {
        process.kill(engine.pid, 'SIGSTOP');
        try {
          process.kill(server.pid, 'SIGTERM');
          await end();
          await eventually(() => expect(server.exited()).to.equal(true), 20_000);
        } finally {
          process.kill(engine.pid, 'SIGCONT');
        }
        expect(server.exitCode(), server.log()).to.equal(130);
        expect(server.log()).to.match(remove);
      };
      const first = await startJson([], env);
      const client = new MachinesClient(first.ready.apiUrl, first.ready.token);
      const image = await pushShop(first.ready);
      await client.ok('POST /apps', { body: { name: 'shop', org_slug: 'personal' } });
      const { id } = await client.ok<MachineAnswer>('POST /apps/shop/machines', {
        body: { config: { image } },
      });
      await client.ok(`GET /apps/shop/machines/${id}/wait?state=started&timeout=30`);
      await hangingUnder(first.server, async () => {
        await eventually(() => expect(first.server.log()).to.contain('Interrupted: stopping the machines'));
        // Not an echo of the first.
        await delay(400);
        process.kill(first.server.pid, 'SIGTERM');
      });
      expect(first.server.log()).to.contain('stopped at once');

      const second = await startJson([], env);
      const again = new MachinesClient(second.ready.apiUrl, second.ready.token);
      await again.ok(`GET /apps/shop/machines/${id}/wait?state=started&timeout=30`);
      await hangingUnder(second.server, () => Promise.resolve());
      expect(second.server.log()).to.contain('containers of this emulator may be left');
    });
  });
});
