import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { formatEngineAddress } from '../../../src/engine/address.js';
import { enginePlaces, type EnginePlace } from '../../../src/engine/places.js';
import { failureOf } from '../../support/failure.js';
import { makeTempFolder } from '../../support/temp-folder.js';

type Environment = Readonly<Record<string, string>>;

async function addressesOf(env: Environment, home = '/nonexistent'): Promise<string[]> {
  return (await enginePlaces({ env, home })).map(({ address }) => formatEngineAddress(address));
}

/** docker's own folder with this config.json and these contexts. */
async function writeConfig(
  folder: string,
  config: object,
  contexts: Readonly<Record<string, { meta: object; tls?: Readonly<Record<string, string>> }>> = {},
): Promise<void> {
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  for (const [name, { meta, tls = {} }] of Object.entries(contexts)) {
    const id = createHash('sha256').update(name).digest('hex');
    await mkdir(join(folder, 'contexts/meta', id), { recursive: true });
    await writeFile(join(folder, 'contexts/meta', id, 'meta.json'), JSON.stringify({ Name: name, ...meta }));
    await mkdir(join(folder, 'contexts/tls', id, 'docker'), { recursive: true });
    for (const [file, text] of Object.entries(tls)) {
      await writeFile(join(folder, 'contexts/tls', id, 'docker', file), text);
    }
  }
}

describe('where the Docker Engine is looked for', () => {
  it('is DOCKER_HOST alone when it is set', async () => {
    const cases: [string, string][] = [
      ['unix:///run/user/1000/docker.sock', 'unix:///run/user/1000/docker.sock'],
      ['tcp://10.0.0.5:2376', 'tcp://10.0.0.5:2376'],
      ['tcp://engine.internal', 'tcp://engine.internal:2375'],
      ['tcp://[::1]:2375', 'tcp://[::1]:2375'],
      ['ssh://me@engine.internal:22', 'ssh://me@engine.internal:22'],
      ['ssh://engine/run/docker.sock', 'ssh://engine/run/docker.sock'],
    ];
    for (const [DOCKER_HOST, expected] of cases) {
      expect(await addressesOf({ DOCKER_HOST, DOCKER_CONTEXT: 'other' }), DOCKER_HOST).to.deep.equal([
        expected,
      ]);
    }
  });

  it('is refused, naming DOCKER_HOST, when that is malformed', async () => {
    for (const DOCKER_HOST of [
      'unix://relative.sock',
      'docker.sock',
      'tcp://a b',
      'tcp://h:999999',
      'ssh://-oProxyCommand=x',
      'ssh://-l@h',
    ]) {
      const error = await failureOf(() => addressesOf({ DOCKER_HOST }));
      expect(error.code, DOCKER_HOST).to.equal('usage');
      expect(error.message).to.match(/^DOCKER_HOST: /);
    }
  });

  it('is the usual sockets in turn when nothing is said: the system, rootless, Desktop, Podman last', async () => {
    const env = { XDG_RUNTIME_DIR: '/run/user/7', DOCKER_HOST: '' };
    const places = await enginePlaces({ env, home: '/home/me', podman: true });
    expect(places.map(({ address }) => formatEngineAddress(address))).to.deep.equal([
      'unix:///var/run/docker.sock',
      'unix:///run/user/7/docker.sock',
      'unix:///home/me/.docker/run/docker.sock',
      'unix:///home/me/.docker/desktop/docker.sock',
      'unix:///run/user/7/podman/podman.sock',
      'unix:///run/podman/podman.sock',
    ]);
    expect(await addressesOf(env)).to.not.include('unix:///run/podman/podman.sock');
  });

  it('is the context of config.json, over which DOCKER_CONTEXT goes, with its TLS files', async () => {
    await using folder = await makeTempFolder('docker-config');
    const context = (host: string, more = {}): { meta: object } => ({
      meta: { Endpoints: { docker: { Host: host, ...more } } },
    });
    await writeConfig(
      folder.path,
      { currentContext: 'far' },
      {
        far: {
          ...context('tcp://far:2376', { SkipTLSVerify: true }),
          tls: { 'ca.pem': 'CA', 'key.pem': 'KEY' },
        },
        near: context('unix:///near.sock'),
      },
    );
    const DOCKER_CONFIG = folder.path;
    const [far] = (await enginePlaces({ env: { DOCKER_CONFIG }, home: '/nonexistent' })) as [EnginePlace];
    expect(far.address).to.deep.equal({
      ...{ kind: 'tcp', host: 'far', port: 2376 },
      tls: { ca: 'CA', key: 'KEY', verify: false },
    });
    expect(await addressesOf({ DOCKER_CONFIG, DOCKER_CONTEXT: 'near' })).to.deep.equal(['unix:///near.sock']);
    expect(await addressesOf({ DOCKER_CONFIG, DOCKER_CONTEXT: 'default' })).to.include(
      'unix:///var/run/docker.sock',
    );
    const missing = await failureOf(() => addressesOf({ DOCKER_CONFIG, DOCKER_CONTEXT: 'gone' }));
    expect(missing.message).to.include('"gone" is not there');
  });

  it('is refused with file and line where config.json or a context is damaged', async () => {
    await using folder = await makeTempFolder('docker-config');
    const DOCKER_CONFIG = folder.path;
    await writeFile(join(folder.path, 'config.json'), '{\n"currentContext": nonsense');
    const broken = await failureOf(() => addressesOf({ DOCKER_CONFIG }));
    expect(broken.code).to.equal('config_invalid');
    expect(broken.message).to.equal(`${folder.path}/config.json:2: it is not JSON`);
    await writeConfig(folder.path, { currentContext: 'empty' }, { empty: { meta: {} } });
    expect((await failureOf(() => addressesOf({ DOCKER_CONFIG }))).message).to.match(
      /meta\.json: it names no Docker Engine/,
    );
  });

  it('is asked over TLS with the files of DOCKER_CERT_PATH when DOCKER_TLS_VERIFY is set', async () => {
    await using folder = await makeTempFolder('docker-certs');
    await writeFile(join(folder.path, 'ca.pem'), 'CA');
    const env = { DOCKER_HOST: 'tcp://h', DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: folder.path };
    const [place] = await enginePlaces({ env, home: '/nonexistent' });
    expect(place?.address).to.deep.equal({
      ...{ kind: 'tcp', host: 'h', port: 2376 },
      tls: { ca: 'CA', verify: true },
    });
  });
});
