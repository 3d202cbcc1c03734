import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { startDockerRegistry, type DockerRegistry } from '../support/docker-registry.js';
import { registryError, startHostileServer, type Script } from '../support/hostile-server.js';
import { buildxIndex } from '../support/image-fixtures.js';
import { pushFixture } from '../support/push-fixture.js';
import { requires } from '../support/requirements.js';
import { startTokenServer } from '../support/token-server.js';
import { setStage, type Stage } from '../support/stage.js';

const TOKEN = 'planted-api-token-5f1c';
const FLY_TOKEN = 'fm2_plantedmacaroon0123456789';
const PASSWORD = 'planted/registry+password=7';
const BASIC = Buffer.from(`robot:${PASSWORD}`).toString('base64');
const ENV_VALUE = 'planted-env-value-9b';

const PLANTED = {
  token: TOKEN,
  flyToken: FLY_TOKEN,
  password: PASSWORD,
  encodedPassword: encodeURIComponent(PASSWORD),
  basic: BASIC,
  envValue: ENV_VALUE,
};

describe('no secret leaves', function () {
  requires('docker-registry', 'htpasswd');
  this.timeout(60_000);
  let registry: DockerRegistry;
  let stage: Stage;
  let image: string;
  let env: Record<string, string>;

  before(async () => {
    [registry, stage] = await Promise.all([
      startDockerRegistry({ auth: { kind: 'basic', user: 'robot', password: PASSWORD } }),
      setStage({ token: TOKEN }),
    ]);
    image = `${registry.host}/shop:v1`;
    const target = { url: registry.url, repository: 'shop', authorization: `Basic ${BASIC}` };
    await pushFixture(target, 'v1', await buildxIndex());
    env = {
      DEPLOYER_API_TOKEN: TOKEN,
      FLY_API_TOKEN: `FlyV1 ${FLY_TOKEN}`,
      DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { [registry.host]: { auth: BASIC } } }),
    };
    await mkdir(join(stage.folder, 'out'));
  });
  after(async () => {
    await stage[Symbol.asyncDispose]();
    await registry.stop();
  });

  let nth = 0;
  /** Runs it with everything on that says more; returns all that it said and wrote. */
  async function allOf(
    exit: number,
    args: readonly string[],
    more: Record<string, string> = {},
  ): Promise<string> {
    nth += 1;
    const file = (name: string): string => join(stage.folder, 'out', `${nth}-${name}`);
    const deploy = args[0] === 'deploy';
    const run = await stage.run(
      [...args, '--verbose', ...(deploy ? ['-e', `SECRET=${ENV_VALUE}`, '--events', file('events')] : [])],
      { env: { ...env, GITHUB_ACTIONS: 'true', GITHUB_STEP_SUMMARY: file('summary'), ...more } },
    );
    const said = `${run.stdout}\n${run.stderr}`;
    expect(run.code, said).to.equal(exit);
    return said;
  }

  function expectClean(said: string, name: string): void {
    for (const [what, secret] of Object.entries(PLANTED)) {
      expect(said.includes(secret), `${what} in ${name}:\n${said}`).to.equal(false);
    }
  }

  it('in anything that a run says or writes, whether it succeeds or fails', async () => {
    const deploy = (app: string, ...flags: string[]): string[] => [
      'deploy',
      '-a',
      app,
      '-i',
      image,
      ...flags,
    ];
    const runs = {
      dryRun: await allOf(0, deploy('shop', '--dry-run')),
      planAsJson: await allOf(0, deploy('shop', '--dry-run', '--json')),
      success: await allOf(0, deploy('shop')),
      unchanged: await allOf(0, deploy('shop', '--json')),
      inspect: await allOf(0, ['image', 'inspect', image]),
      diagnose: await allOf(0, ['image', 'diagnose', image, '--json']),
      wrongToken: await allOf(4, deploy('shop'), { DEPLOYER_API_TOKEN: `${TOKEN}-wrong` }),
      wrongPassword: await allOf(4, deploy('shop'), {
        DOCKER_AUTH_CONFIG: JSON.stringify({
          auths: { [registry.host]: { username: 'robot', password: `${PASSWORD}-wrong` } },
        }),
      }),
      badCredentials: await allOf(2, deploy('shop'), { DOCKER_AUTH_CONFIG: `{"auths": "${PASSWORD}"` }),
      missing: await allOf(
        3,
        deploy('shop').map((arg) => (arg === image ? `${image}-not` : arg)),
      ),
      refused: await allOf(12, deploy('shop', '--api-url', 'http://127.0.0.1:1')),
      credentialsInUrl: await allOf(2, deploy('shop', '--api-url', `http://robot:${PASSWORD}@127.0.0.1:1`)),
      badVariable: await allOf(2, deploy('shop', '-e', `KEY ${ENV_VALUE}`)),
    };
    for (const [name, said] of Object.entries(runs)) expectClean(said, name);
    expect(runs.success, 'with --verbose there is something to see').to.contain('/v2/shop/manifests/v1 -> ');
  });

  it('on the way to a token server: not the password, not the token that it buys, not that of a proxy', async () => {
    await using tokens = await startTokenServer({ accounts: { robot: PASSWORD } });
    await using closed = await startDockerRegistry({ auth: { kind: 'token', server: tokens } });
    const login = (password: string): string => {
      const auth = (host: string, secret: string): object => ({
        [host]: { auth: Buffer.from(`robot:${secret}`).toString('base64') },
      });
      return JSON.stringify({ auths: { ...auth(registry.host, PASSWORD), ...auth(closed.host, password) } });
    };
    const there = `${closed.host}/shop:v1`;
    const right = { DOCKER_AUTH_CONFIG: login(PASSWORD) };
    const wrong = { DOCKER_AUTH_CONFIG: login(`${PASSWORD}-wrong`) };
    const proxied = { ...right, HTTPS_PROXY: `http://robot:${encodeURIComponent(PASSWORD)}@127.0.0.1:1` };
    const runs = {
      copy: await allOf(0, ['image', 'copy', image, there], right),
      convert: await allOf(
        0,
        ['image', 'convert', there, `${there}-docker`, '--to', 'docker', '--strip-attestations'],
        right,
      ),
      copyToLayout: await allOf(0, ['image', 'copy', there, `oci:${join(stage.folder, 'layout')}`], right),
      longUserinfo: await allOf(2, [
        'image',
        'inspect',
        `oci-archive:https://robot:${PASSWORD.repeat(5)}@h/x`,
      ]),
      inspect: await allOf(0, ['image', 'inspect', there], right),
      inspectAsJson: await allOf(0, ['image', 'inspect', there, '--json'], right),
      diagnose: await allOf(0, ['image', 'diagnose', there], right),
      missing: await allOf(3, ['image', 'inspect', `${there}-not`], right),
      wrongPassword: await allOf(4, ['image', 'inspect', there, '--json'], wrong),
      copyRefused: await allOf(4, ['image', 'copy', image, `${there}-2`], wrong),
      throughProxy: await allOf(12, ['image', 'inspect', 'registry.invalid/shop:v1'], proxied),
    };
    expect(tokens.requests.some(({ authorization }) => authorization === `Basic ${BASIC}`)).to.equal(true);
    for (const [name, said] of Object.entries(runs)) {
      expectClean(said, name);
      expect(said, `a token in ${name}`).not.to.match(/eyJ[\w-]{10}/);
    }
  });

  it('when the registry repeats in its error, in the clear, what it was sent', async () => {
    const script: Script = ({ headers: { authorization = '' } }) => {
      if (authorization === '') return { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } };
      const decoded = Buffer.from(authorization.replace('Basic ', ''), 'base64').toString();
      return registryError(403, 'DENIED', `robot is known by ${decoded}, ${authorization}, and may not`);
    };
    await using server = await startHostileServer(script);
    const more = { DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { [server.host]: { auth: BASIC } } }) };
    const args = ['deploy', '-a', 'shop', '-i', `${server.host}/shop:v1`];
    const [text, json] = [await allOf(4, args, more), await allOf(4, [...args, '--json'], more)];
    for (const said of [text, json]) {
      expect(said).to.contain('robot is known by').and.to.contain('***');
      expectClean(said, 'an error of the registry');
    }
    for (const written of ['events', 'summary']) {
      const content = await readFile(join(stage.folder, 'out', `${nth}-${written}`), 'utf8');
      if (written === 'events') expect(content).to.contain('robot is known by');
      expectClean(content, written);
    }
  });

  it('when the API repeats it in an error, when a release fails and is undone, or in what is kept for later', async () => {
    await stage.fault({
      match: { method: 'POST', pathPattern: '/v1/apps/*/machines' },
      answer: { status: 400, body: { error: `Bearer ${TOKEN} may not do this, nor FlyV1 ${FLY_TOKEN}` } },
      times: 1,
    });
    const echoed = await allOf(8, ['deploy', '-a', 'echo', '-i', image]);
    expect(echoed).to.contain('may not do this');
    await allOf(0, ['deploy', '-a', 'undone', '-i', image]);
    await stage.fault({ match: { env: { ROUND: '2' } }, effect: { oom: { afterMs: 0 } } });
    await stage.fault({ match: { env: { ROUND: '2' } }, effect: { checks: {} } });
    const undone = await allOf(8, ['deploy', '-a', 'undone', '-i', image, '-e', 'ROUND=2', '--json']);
    expectClean(echoed, 'an error of the API');
    expectClean(undone, 'a release that was undone');

    const files = await readdir(stage.folder, { recursive: true, withFileTypes: true });
    const written = files
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    expect(written.filter((file) => file.endsWith('-events')).length).to.be.above(5);
    expect(written.filter((file) => file.endsWith('-summary')).length).to.be.above(5);
    for (const file of written) expectClean(await readFile(file, 'utf8'), file);
  });
});
