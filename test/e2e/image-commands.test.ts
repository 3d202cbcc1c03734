import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { digestOf } from '../../src/oci/digest.js';
import { startDockerRegistry, type DockerRegistry } from '../support/docker-registry.js';
import { writeHelpers } from '../support/credential-helpers.js';
import {
  htmlPage,
  manifestAnswer,
  rateLimited,
  registryError,
  startHostileServer,
  type HostileServer,
  type Script,
} from '../support/hostile-server.js';
import {
  buildxIndex,
  multiPlatformIndex,
  ociImage,
  type FixtureManifest,
} from '../support/image-fixtures.js';
import { documentIn, failureIn } from '../support/json-documents.js';
import { runProgram, type Finished } from '../support/program.js';
import { startProxyServer } from '../support/proxy-server.js';
import { writeLayout } from '../support/layout-fixture.js';
import { pushFixture } from '../support/push-fixture.js';
import { basicEntry, loggedIn } from '../support/registry-connection.js';
import { requires } from '../support/requirements.js';
import { makeTempFolder } from '../support/temp-folder.js';

const SMALL = { runnable: false } as const;

describe('deployer image', function () {
  requires('docker-registry');
  this.timeout(60_000);
  let registry: DockerRegistry;
  let built: FixtureManifest;
  let name: string;
  before(async () => {
    registry = await startDockerRegistry();
    built = await buildxIndex(SMALL);
    name = `${registry.host}/shop:v1`;
    const target = { url: registry.url, repository: 'shop' };
    await pushFixture(target, 'v1', built);
    await pushFixture(target, 'multi', await multiPlatformIndex('oci', SMALL));
  });
  after(() => registry.stop());

  const image = (...args: string[]): Promise<Finished> => runProgram(['image', ...args]);

  it('inspect shows the tree: index, platform, layers, attestation', async () => {
    const [app, provenance] = built.children as [FixtureManifest, FixtureManifest];
    const { code, stdout, stderr } = await image('inspect', name);
    expect([code, stderr]).to.deep.equal([0, '']);
    const lines = stdout.split('\n');
    expect(lines[0]).to.equal(name);
    expect(lines).to.include(`  digest       ${built.digest}`);
    expect(lines).to.include(`    digest     ${app.digest}`);
    expect(lines).to.include(`  attestation  https://slsa.dev/provenance/v0.2`);
    expect(lines).to.include(`    digest     ${provenance.digest}`);
    expect(lines).to.include(`    about      ${app.digest}`);
    expect(stdout).to.match(/^ {2}platform {5}linux\/amd64, \d.+ in 2 layers$/m);
    for (const { digest } of app.blobs.slice(1)) expect(stdout).to.contain(`layer      ${digest}`);
  });

  it('inspect --platform shows that one, and names those there are when it is none of them', async () => {
    const multi = `${registry.host}/shop:multi`;
    const arm = documentIn(
      'inspection',
      (await image('inspect', multi, '--platform', 'linux/arm64', '--json')).stdout,
    );
    expect(arm.platforms.map(({ architecture }) => architecture)).to.deep.equal(['arm64']);
    const none = await image('inspect', multi, '--platform', 'linux/s390x');
    expect([none.code, none.stdout]).to.deep.equal([5, '']);
    expect(none.stderr).to.match(
      /platforms there: linux\/amd64, linux\/arm64\n {2}Try: --platform linux\/amd64/,
    );
  });

  it('inspect --raw prints the exact bytes: they hash to the digest', async () => {
    const raw = await image('inspect', name, '--raw');
    expect([raw.code, raw.stderr]).to.deep.equal([0, '']);
    expect(digestOf(raw.stdout)).to.equal(built.digest);
    const [child] = built.children;
    const byDigest = await image('inspect', `${registry.host}/shop@${child?.digest}`, '--raw');
    expect(digestOf(byDigest.stdout)).to.equal(child?.digest);
  });

  it('inspect reads layouts and archives too, and says of them what it says of the same image in a registry', async () => {
    await using folder = await makeTempFolder('inspected');
    const multi = await multiPlatformIndex('oci', SMALL);
    const archive = `docker-archive:${join(folder.path, 'app.tar')}`;
    const [amd64] = multi.children as [FixtureManifest];
    await writeLayout(join(folder.path, 'layout'), { v1: built, multi, '': amd64 });
    const shown = async (...args: string[]) => {
      const { reference, ...rest } = documentIn(
        'inspection',
        (await image('inspect', ...args, '--json')).stdout,
      );
      return { reference, rest };
    };
    const layout = `oci:${join(folder.path, 'layout')}`;
    const arm = ['--platform', 'linux/arm64'];
    await image('copy', `${layout}:multi`, archive, '--platform', 'linux/amd64');
    for (const [here, there, ...flags] of [
      [`${layout}:v1`, name],
      [`${layout}:multi`, `${registry.host}/shop:multi`],
      [`${layout}:multi`, `${registry.host}/shop:multi`, ...arm],
      [`${layout}@${amd64.digest}`, `${registry.host}/shop@${amd64.digest}`],
      [archive, `${registry.host}/shop@${amd64.digest}`],
    ] as const) {
      const local = await shown(here, ...flags);
      expect(local.reference).to.equal(here);
      expect(local.rest, here).to.deep.equal((await shown(there, ...flags)).rest);
    }
    expect(digestOf((await image('inspect', `${layout}:v1`, '--raw')).stdout)).to.equal(built.digest);
    expect(digestOf((await image('inspect', archive, '--raw')).stdout)).to.equal(amd64.digest);

    const missing = await image('inspect', `${layout}:v2`, '--json');
    expect(failureIn(missing)).to.include({ exitCode: 3 });
    const diagnosed = await image('diagnose', `${layout}:v1`, '--json');
    expect(failureIn(diagnosed)).to.include({ code: 'image_source_unsupported', exitCode: 2 });
    expect(failureIn(diagnosed).suggestions).to.include(
      `or look at it where it lies: deployer image inspect ${layout}:v1`,
    );
  });

  it("diagnose shows the forum's 404 beside what the full client finds, and the way out", async () => {
    const { code, stdout, stderr } = await image('diagnose', name);
    expect([code, stderr]).to.deep.equal([0, '']);
    expect(stdout).to.match(/✔ full +GET +200/);
    expect(stdout).to.match(
      /✖ docker-only +GET +404 .+docker_registry2 before 1\.14.+\n +MANIFEST_UNKNOWN: OCI index found, but accept header does not support OCI indexes\n/,
    );
    expect(stdout).to.match(/✔ fly +would run it as it is from a registry that it reaches/);
    expect(stdout).to.match(/Try: for clients of before 2023: deployer build \. --tag .+ --push/);
  });

  it('inspect of a layout that lies here, written as a reference, says how it is named', async () => {
    await using folder = await makeTempFolder('here');
    await mkdir(join(folder.path, 'lay'));
    await writeFile(join(folder.path, 'lay', 'oci-layout'), '{}');
    const { code, stderr } = await runProgram(['image', 'inspect', './lay'], { cwd: folder.path });
    expect(code).to.equal(2);
    expect(stderr).to.match(/no host name\n {2}Try: for the OCI layout that lies here: oci:\.\/lay\n/);
  });

  it('diagnose --target judges for that one alone, and refuses one that nobody knows', async () => {
    const { stdout } = await image('diagnose', name, '--target', 'heroku', '--json');
    const { targets } = documentIn('diagnosis', stdout);
    expect(targets.map(({ name: target, adaptation }) => [target, adaptation])).to.deep.equal([
      ['heroku', 'convert'],
    ]);
    const unknown = await image('diagnose', name, '--target', 'nomad', '--json');
    expect(failureIn(unknown)).to.include({ code: 'usage', exitCode: 2 });
    expect(failureIn(unknown).message).to.contain('--target').and.contain('nomad');
  });

  it('says under --verbose what it asks, on stderr', async () => {
    const { stdout, stderr } = await image('inspect', name, '--verbose', '--json');
    documentIn('inspection', stdout);
    expect(stderr).to.match(/^GET http:\/\/127\.0\.0\.1:\d+\/v2\/shop\/manifests\/v1 -> 200 \(\d+ ms\)$/m);
  });
});

describe('deployer image, of each class of failure', function () {
  this.timeout(60_000);
  const small = (): Promise<FixtureManifest> => ociImage(SMALL);

  interface Failure {
    readonly script?: Script;
    /** Instead of an image in the script's registry. */
    readonly name?: string;
    readonly args?: readonly string[];
    readonly exit: number;
    readonly code: string;
  }
  const notFound = registryError(404, 'MANIFEST_UNKNOWN', 'manifest unknown');
  const FAILURES: Readonly<Record<string, Failure>> = {
    'a wrong reference': { name: 'Team/../app', exit: 2, code: 'reference_invalid' },
    'a wrong platform': { args: ['--platform', 'linux'], exit: 2, code: 'usage' },
    'no such flag': { args: ['--nonsense'], exit: 2, code: 'usage' },
    'no such tag': {
      script: ({ url }) => (url.includes('/tags/') ? { body: '{"tags":["v2"]}' } : notFound),
      exit: 3,
      code: 'tag_not_found',
    },
    'no such repository': {
      script: ({ url }) =>
        url.includes('/tags/') ? registryError(404, 'NAME_UNKNOWN', 'unknown') : notFound,
      exit: 3,
      code: 'repository_not_found',
    },
    '401': {
      script: () => ({ status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } }),
      exit: 4,
      code: 'registry_unauthorized',
    },
    '403': { script: () => registryError(403, 'DENIED', 'no'), exit: 4, code: 'registry_denied' },
    'no manifest': {
      script: () => manifestAnswer('{}', 'application/json'),
      exit: 5,
      code: 'manifest_invalid',
    },
    '429': { script: () => rateLimited('3600'), exit: 12, code: 'registry_rate_limited' },
    'a web page': { script: () => htmlPage(), exit: 12, code: 'not_a_registry' },
    'a digest that lies': {
      script: () => manifestAnswer('{}', 'application/json', digestOf('x')),
      exit: 12,
      code: 'digest_mismatch',
    },
    'no such host': { name: 'registry.invalid/app:v1', exit: 12, code: 'dns_failed' },
    'nobody listening': { name: '127.0.0.1:1/app:v1', exit: 12, code: 'connection_refused' },
  };
  for (const [what, { script, name, args = [], exit, code }] of Object.entries(FAILURES)) {
    it(`(${what}) ends with ${exit}: a few lines on stderr, and one document on stdout`, async () => {
      const image = await small();
      await using server = await startHostileServer(
        script ?? (() => manifestAnswer(image.bytes, image.mediaType, image.digest)),
      );
      const asked = ['image', 'inspect', name ?? `${server.host}/app:v1`, ...args];
      const [json, human] = await Promise.all([runProgram([...asked, '--json']), runProgram(asked)]);
      expect(json.code).to.equal(exit);
      const error = failureIn(json);
      expect(error).to.include({ code, exitCode: exit });
      expect(error.suggestions).not.to.deep.equal([]);

      expect([human.code, human.stdout]).to.deep.equal([exit, '']);
      for (const { stderr } of [human, json]) {
        expect(stderr).to.contain(`✖ ${error.message.split('\n')[0]}\n`);
        expect(stderr).to.contain(`  Try: ${error.suggestions[0]}\n`);
        expect(stderr).not.to.match(/\u001b|\n {4}at /);
      }
    });
  }

  const NOT_USAGE = Object.entries(FAILURES).filter(([, { exit }]) => exit !== 2);
  for (const [what, { script, name, exit, code }] of NOT_USAGE) {
    it(`(${what}) has diagnose print its whole report, and end with ${exit} as well`, async () => {
      await using server = await startHostileServer(script ?? (() => notFound));
      const asked = ['image', 'diagnose', name ?? `${server.host}/app:v1`];
      const [json, human] = await Promise.all([runProgram([...asked, '--json']), runProgram(asked)]);
      const { clients, targets, suggestions, error } = {
        ...documentIn('diagnosis', json.stdout),
        error: failureIn(json),
      };
      expect([json.code, error.code]).to.deep.equal([exit, code]);
      expect(clients).to.have.length.above(10);
      expect(targets).to.deep.equal([]);
      expect(error.suggestions).to.deep.equal(suggestions).and.not.to.deep.equal([]);

      expect(human.code).to.equal(exit);
      expect(human.stdout).to.contain('What each kind of client is told:').and.contain('  ✖ full ');
      expect(human.stdout).to.contain(`Try: ${suggestions[0]}\n`);
      expect(human.stderr)
        .to.contain(`✖ ${error.message.split('\n')[0]}\n`)
        .and.not.to.contain('Try: ');
    });
  }

  it('waits for a tag that is listed before its manifest is there, and says so on stderr', async () => {
    const image = await small();
    let asked = 0;
    await using server = await startHostileServer(({ url }) => {
      if (url.includes('/tags/')) return { body: '{"tags":["v1"]}' };
      if (url.includes('/blobs/')) return { body: image.blobs[0]?.bytes ?? '' };
      asked += 1;
      return asked === 1 ? notFound : manifestAnswer(image.bytes, image.mediaType, image.digest);
    });
    const { code, stdout, stderr } = await runProgram([
      'image',
      'inspect',
      `${server.host}/app:v1`,
      '--json',
    ]);
    expect(code, stderr).to.equal(0);
    expect(documentIn('inspection', stdout).digest).to.equal(image.digest);
    expect(stderr).to.match(
      /^127\.0\.0\.1:\d+ lists the tag, but does not have its manifest yet; asking again\n$/,
    );
  });
});

describe('deployer image, with secrets around', function () {
  this.timeout(60_000);
  const PASSWORD = 'planted "pass\\word" 7';
  const REFRESH = 'planted-refresh-token-8';
  const PROXY = 'planted-proxy-password-9';
  const BASIC = basicEntry('robot', PASSWORD).auth;
  const SECRETS = {
    PASSWORD,
    json: JSON.stringify(PASSWORD).slice(1, -1),
    url: encodeURIComponent(PASSWORD),
    BASIC,
    REFRESH,
    PROXY,
    proxyBasic: Buffer.from(`me:${PROXY}`).toString('base64'),
  };

  /** A registry that repeats all it was sent, in the error's text: as base64 and in the clear. */
  const echo =
    (realm: () => string): Script =>
    ({ url, headers, body }) => {
      const { authorization = '' } = headers;
      const decoded = Buffer.from(authorization.replace(/^\w+ /, ''), 'base64').toString();
      const said = `you sent ${authorization} = ${decoded} and ${decodeURIComponent(body.toString())}`;
      if (url.startsWith('/token')) return registryError(401, 'UNAUTHORIZED', said);
      if (authorization !== '') return registryError(403, 'DENIED', said);
      const challenge = realm() === '' ? 'Basic realm="x"' : `Bearer realm="${realm()}",service="s"`;
      return { status: 401, headers: { 'www-authenticate': challenge } };
    };

  async function said(
    server: HostileServer,
    env: Readonly<Record<string, string>>,
    name = `${server.host}/app:v1`,
  ): Promise<string> {
    const commands = [
      ['inspect', name, '--verbose'],
      ['diagnose', name, '--json', '--verbose'],
    ];
    const runs = await Promise.all(commands.map((args) => runProgram(['image', ...args], { env })));
    return runs.map(({ stdout, stderr }) => stdout + stderr).join('\n');
  }

  function expectClean(text: string): void {
    const found = Object.entries(SECRETS).filter(([, secret]) => text.includes(secret));
    expect(
      found.map(([what]) => what),
      text,
    ).to.deep.equal([]);
  }

  it("prints none of docker's, however a registry or its token server repeats them", async () => {
    for (const bearer of [false, true]) {
      let url = '';
      await using server = await startHostileServer(echo(() => (bearer ? `${url}/token` : '')));
      url = server.url;
      for (const entry of [basicEntry('robot', PASSWORD), { identitytoken: REFRESH }]) {
        const text = await said(server, loggedIn(server.host, entry));
        if (bearer || 'auth' in entry) expect(text).to.contain('you sent ');
        expectClean(text);
      }
      expect(JSON.stringify(server.requests.map(({ headers }) => headers))).to.contain(BASIC);
    }
  });

  it("prints none of a credential helper's", async () => {
    await using folder = await makeTempFolder('helper');
    const PATH = await writeHelpers(folder.path, {
      planted: `printf '%s' '${JSON.stringify({ Username: 'robot', Secret: PASSWORD })}'`,
      broken: `echo 'error: ${REFRESH}' >&2; echo '${REFRESH}'; exit 1`,
    });
    await using server = await startHostileServer(echo(() => ''));
    for (const credsStore of ['planted', 'broken']) {
      await mkdir(join(folder.path, credsStore));
      await writeFile(join(folder.path, credsStore, 'config.json'), JSON.stringify({ credsStore }));
      const text = await said(server, { PATH, DOCKER_CONFIG: join(folder.path, credsStore) });
      expectClean(text);
      if (credsStore === 'broken') expect(text).to.contain('docker-credential-broken ended with exit code 1');
      else expect(text).to.contain('you sent ');
    }
    expect(JSON.stringify(server.requests)).to.contain(BASIC);
  });

  it("prints none of a proxy's", async () => {
    await using server = await startHostileServer(echo(() => ''));
    await using proxy = await startProxyServer({ credentials: 'me:other' });
    await using open = await startProxyServer({ routes: { 'registry.invalid:443': server.host } });
    const through = (host: string): Record<string, string> => ({ HTTPS_PROXY: `http://me:${PROXY}@${host}` });
    const refused = await said(server, through(proxy.host), 'registry.invalid/app:v1');
    expect(refused).to.contain('wants credentials (407)');
    const run = ['image', 'inspect', 'registry.invalid/app:v1', '--verbose'];
    const tunnelled = await runProgram(run, { env: through(open.host) });
    expect(tunnelled.stderr).to.contain('registry.invalid does not speak TLS');
    expectClean(refused + tunnelled.stdout + tunnelled.stderr);
    expect(proxy.requests[0]?.headers['proxy-authorization']).to.equal(`Basic ${SECRETS.proxyBasic}`);
    const wrong = await said(server, { HTTPS_PROXY: `ftp://me:${PROXY}@proxy` }, 'registry.invalid/app:v1');
    expect(wrong).to.contain('HTTPS_PROXY');
    expectClean(wrong);
  });

  it('prints none of a configuration that is broken', async () => {
    await using folder = await makeTempFolder('config');
    await writeFile(join(folder.path, 'config.json'), `{\n  "auths": { "x": { "password": "${PASSWORD}" }\n`);
    await using server = await startHostileServer(echo(() => ''));
    const text = await said(server, { DOCKER_CONFIG: folder.path });
    expect(text).to.contain(`${folder.path}/config.json:`).and.contain('it is not JSON');
    expectClean(text);
  });
});
