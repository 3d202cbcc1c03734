import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { DockerCredentials } from '../../../../src/registry/credentials/docker-credentials.js';
import { firstOf, type Credential } from '../../../../src/registry/credentials/credential.js';
import { writeHelpers } from '../../../support/credential-helpers.js';
import { failureOf } from '../../../support/failure.js';
import { makeTempFolder, type TempFolder } from '../../../support/temp-folder.js';

/** A file with one entry, whose user tells where it came from. */
function authsOf(user: string, more: object = {}): string {
  return JSON.stringify({
    auths: { 'ghcr.io': { auth: Buffer.from(`${user}:hunter2-secret`).toString('base64') } },
    ...more,
  });
}

function userOf(credential: Credential | undefined): string | undefined {
  return credential?.kind === 'password' ? credential.username : credential?.kind;
}

describe('Credentials as docker and podman keep them', () => {
  let home: TempFolder;
  let PATH = '';
  let warnings: string[];
  beforeEach(async () => {
    home = await makeTempFolder('home');
    warnings = [];
    PATH = await writeHelpers(home.path, {
      own: `echo '{"Username":"own helper","Secret":"s"}'`,
      store: `echo '{"Username":"store","Secret":"s"}'`,
      none: 'echo "credentials not found in native keychain"; exit 1',
      counts: `echo x >> "$COUNT"; echo '{"Username":"counted","Secret":"s"}'`,
    });
  });
  afterEach(() => home.remove());

  const write = async (file: string, text: string): Promise<string> => {
    const path = join(home.path, file);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
    return path;
  };
  const credentials = (env: Readonly<Record<string, string>> = {}): DockerCredentials =>
    new DockerCredentials({
      env: { PATH, ...env },
      home: home.path,
      warn: (message) => warnings.push(message),
    });
  const user = async (env: Readonly<Record<string, string>> = {}): Promise<string | undefined> =>
    userOf(await credentials(env).find('ghcr.io', 'team/app'));

  it('are looked for in the order of docker, then podman', async () => {
    const REGISTRY_AUTH_FILE = join(home.path, 'elsewhere/auth.json');
    const XDG_RUNTIME_DIR = join(home.path, 'run');
    const DOCKER_CONFIG = join(home.path, 'docker');
    const DOCKER_AUTH_CONFIG = authsOf('variable');
    const env = { REGISTRY_AUTH_FILE, XDG_RUNTIME_DIR };

    expect(await user()).to.equal(undefined);
    await write('.config/containers/auth.json', authsOf('podman'));
    expect(await user()).to.equal('podman');
    await write('run/containers/auth.json', authsOf('podman run'));
    expect(await user({ XDG_RUNTIME_DIR })).to.equal('podman run');
    await write('elsewhere/auth.json', authsOf('podman variable'));
    expect(await user(env)).to.equal('podman variable');
    await write('.docker/config.json', authsOf('docker'));
    expect(await user(env)).to.equal('docker');
    await write('docker/config.json', authsOf('DOCKER_CONFIG'));
    expect(await user({ ...env, DOCKER_CONFIG })).to.equal('DOCKER_CONFIG');
    expect(await user({ ...env, DOCKER_CONFIG, DOCKER_AUTH_CONFIG })).to.equal('variable');
    expect(warnings).to.deep.equal([]);
  });

  it("come from a host's own helper, else the store, else the file", async () => {
    await write(
      '.docker/config.json',
      authsOf('file', { credsStore: 'store', credHelpers: { 'ghcr.io': 'own' } }),
    );
    expect(await user()).to.equal('own helper');
    await write(
      '.docker/config.json',
      authsOf('file', { credsStore: 'store', credHelpers: { 'quay.io': 'own' } }),
    );
    expect(await user()).to.equal('store');
    await write('.docker/config.json', authsOf('file', { credsStore: 'none' }));
    expect(await user()).to.equal('file');
    expect(warnings).to.deep.equal([]);
  });

  it('are gone on without when a helper is missing, with a warning that names it and the file', async () => {
    const file = await write('.docker/config.json', JSON.stringify({ credsStore: 'desktop' }));
    const source = credentials();
    expect(await source.find('ghcr.io', 'a')).to.equal(undefined);
    expect(await source.find('ghcr.io', 'a')).to.equal(undefined);
    expect(warnings).to.have.length(1);
    expect(warnings[0])
      .to.contain('ghcr.io')
      .and.contain(file)
      .and.contain('docker-credential-desktop is not installed');
  });

  it('are asked for once, also by many at the same time', async () => {
    await write('.docker/config.json', JSON.stringify({ credsStore: 'counts' }));
    const COUNT = join(home.path, 'count');
    const source = credentials({ COUNT });
    await Promise.all(Array.from({ length: 5 }, () => source.find('ghcr.io', 'team/app')));
    const { readFile } = await import('node:fs/promises');
    expect(await readFile(COUNT, 'utf8')).to.equal('x\n');
  });

  it("in a file that is broken, or can't be read, are an error that names it", async () => {
    const file = await write('.docker/config.json', '{\n"auths": hunter2-secret');
    const broken = await failureOf(() => user());
    expect(broken.code).to.equal('credentials_invalid');
    expect(broken.message).to.equal(`${file}:2: it is not JSON`);
    const variable = await failureOf(() => user({ DOCKER_AUTH_CONFIG: '{"auths": hunter2-secret' }));
    expect(variable.message).to.equal('DOCKER_AUTH_CONFIG:1: it is not JSON');
    const unreadable = await failureOf(() =>
      user({ DOCKER_CONFIG: home.path, REGISTRY_AUTH_FILE: home.path }),
    );
    expect(unreadable.code).to.equal('credentials_invalid');
    expect(unreadable.message).to.equal(`${home.path} can't be read (EISDIR)`);
    expect(unreadable.suggestions).not.to.deep.equal([]);
  });

  it('that a variable points to and that are not there are worth a warning', async () => {
    const REGISTRY_AUTH_FILE = join(home.path, 'no/auth.json');
    expect(await user({ REGISTRY_AUTH_FILE })).to.equal(undefined);
    expect(warnings.join()).to.contain('REGISTRY_AUTH_FILE').and.contain(REGISTRY_AUTH_FILE);
  });

  it('are none in an empty file', async () => {
    await write('.docker/config.json', '\n');
    expect(await user()).to.equal(undefined);
  });

  it('may be followed by another source, asked only when these know nothing', async () => {
    const other = {
      find: () => Promise.resolve<Credential>({ kind: 'registry-token', token: 't', source: 'o' }),
    };
    expect(userOf(await firstOf(credentials(), other).find('ghcr.io', 'a'))).to.equal('registry-token');
    await write('.docker/config.json', authsOf('docker'));
    expect(userOf(await firstOf(credentials(), other).find('ghcr.io', 'a'))).to.equal('docker');
  });
});
