import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { expect } from 'chai';
import { digestOf } from '../../../src/oci/digest.js';
import { ACCEPT_DOCKER } from '../../../src/oci/media-types.js';
import { parseReference, type Reference } from '../../../src/oci/reference.js';
import type { DeployerError } from '../../../src/lib/errors.js';
import { FileChallengeMemory } from '../../../src/registry/challenge-memory.js';
import { RepositoryPush } from '../../../src/registry/push.js';
import { makeCertificates } from '../../support/certificates.js';
import { startDockerRegistry, type DockerRegistry } from '../../support/docker-registry.js';
import { failureOf } from '../../support/failure.js';
import {
  buildxIndex,
  dockerImage,
  multiPlatformIndex,
  nestedIndex,
  ociImage,
  schema1Signed,
  type FixtureManifest,
} from '../../support/image-fixtures.js';
import { pushFixture } from '../../support/push-fixture.js';
import {
  authorityFile,
  basicEntry,
  connectForTest,
  loggedIn,
  type TestConnection,
} from '../../support/registry-connection.js';
import { requires } from '../../support/requirements.js';
import { makeTempFolder } from '../../support/temp-folder.js';
import { startTokenServer, type TokenServer } from '../../support/token-server.js';

const SMALL = { runnable: false } as const;

describe('A search in docker-registry 2.8.2', () => {
  requires('docker-registry');
  let registry: DockerRegistry;
  let connection: TestConnection;
  before(async () => {
    registry = await startDockerRegistry({ delete: true });
    connection = await connectForTest();
  });
  after(async () => {
    await connection[Symbol.asyncDispose]();
    await registry.stop();
  });

  const reference = (rest: string): Reference => parseReference(`${registry.host}/${rest}`);
  const push = (repository: string, tag: string, image: FixtureManifest): Promise<void> =>
    pushFixture({ url: registry.url, repository }, tag, image);
  const refusal = (rest: string, accept?: readonly string[]): Promise<DeployerError> =>
    failureOf(() => connection.search.find(reference(rest), accept ? { accept } : {}));

  const shapes: Readonly<Record<string, () => Promise<FixtureManifest>>> = {
    'one OCI manifest': () => ociImage(SMALL),
    'one Docker manifest': () => dockerImage(SMALL),
    "buildx's default index": () => buildxIndex(SMALL),
    'a multi-platform index': () => multiPlatformIndex('oci', SMALL),
    'a Docker manifest list': () => multiPlatformIndex('docker', SMALL),
    'an index within an index': () => nestedIndex(SMALL),
  };
  for (const [name, make] of Object.entries(shapes)) {
    it(`finds ${name}, by tag and by digest, with one GET each`, async () => {
      const image = await make();
      await push('found', 'v1', image);
      const before = connection.trips.length;
      for (const rest of ['found:v1', `found@${image.digest}`, `found:gone@${image.digest}`]) {
        const { stored } = await connection.search.find(reference(rest));
        expect([stored.digest, stored.size, stored.content.mediaType]).to.deep.equal([
          image.digest,
          image.size,
          image.mediaType,
        ]);
        expect(stored.bytes.equals(image.bytes)).to.equal(true);
      }
      expect(connection.trips.slice(before).map(({ method }) => method)).to.deep.equal(['GET', 'GET', 'GET']);
    });
  }

  it('that has no such repository says so, and how a private one may be hidden', async () => {
    for (const rest of ['nobody/here:v1', `nobody/here@${digestOf('nothing')}`]) {
      const error = await refusal(rest);
      expect([error.code, error.exit]).to.deep.equal(['repository_not_found', 3]);
      expect(error.message).to.contain('knows no repository nobody/here');
      expect(error.evidence.join('\n'))
        .to.contain(`GET ${registry.url}/v2/nobody/here/manifests/`)
        .and.contain('-> 404 MANIFEST_UNKNOWN: manifest unknown')
        .and.contain('asked with: OCI index, OCI manifest, Docker manifest list, Docker manifest');
      expect(error.suggestions.join()).to.contain('spelling').and.contain(`docker login ${registry.host}`);
    }
  });

  it('that has no such tag names those that come near, and the command to look at the nearest', async () => {
    const image = await ociImage(SMALL);
    for (const tag of ['main-9', 'main-41', 'main-42', 'latest', 'v1', 'release-2024'])
      await push('app', tag, image);
    const error = await refusal('app:main-43');
    expect([error.code, error.exit]).to.deep.equal(['tag_not_found', 3]);
    expect(error.message).to.match(
      /app:main-43 is not there: the registry knows the repository, but not this tag/,
    );
    expect(error.evidence.at(-1)).to.match(/^tags there: main-42, main-41, main-9, /);
    expect(error.suggestions).to.deep.equal([`deployer image inspect ${registry.host}/app:main-42`]);
    // Without a tag it is latest that is missed.
    await push('untagged', 'v1', image);
    expect((await refusal('untagged')).evidence.at(-1)).to.equal('tags there: v1');
  });

  it('of a repository whose tags are all gone says that it has none', async () => {
    const image = await ociImage(SMALL);
    await push('emptied', 'v1', image);
    const deleted = await fetch(`${registry.url}/v2/emptied/manifests/${image.digest}`, { method: 'DELETE' });
    expect(deleted.status).to.equal(202);
    const error = await refusal('emptied:v1');
    expect(error.code).to.equal('tag_not_found');
    expect(error.evidence.at(-1)).to.equal('the repository has no tags');
    expect(error.suggestions).not.to.deep.equal([]);
  });

  it('that has no such digest says so', async () => {
    await push('app', 'v1', await ociImage(SMALL));
    const digest = digestOf('nothing');
    const error = await refusal(`app:v1@${digest}`);
    expect([error.code, error.exit]).to.deep.equal(['digest_not_found', 3]);
    expect(error.message).to.contain(digest);
    expect(error.suggestions.join()).to.contain('deployer image inspect');
  });

  it("of the forum's image with the forum's client tells what that client was not told", async () => {
    const cases = [
      ['index', await buildxIndex(SMALL), 'OCI index found, but accept header does not support OCI indexes'],
      [
        'single',
        await ociImage(SMALL),
        'OCI manifest found, but accept header does not support OCI manifests',
      ],
    ] as const;
    for (const [repository, image, words] of cases) {
      await push(repository, 'v1', image);
      const error = await refusal(`${repository}:v1`, ACCEPT_DOCKER);
      expect([error.code, error.exit]).to.deep.equal(['image_form_not_accepted', 3]);
      expect(error.message).to.contain('is there, but in a form that was not asked for');
      expect(error.evidence).to.include(`the registry says: "${words}"`);
      expect(error.evidence.join()).to.contain('asked with: Docker manifest, Docker manifest list');
      expect(error.suggestions.join()).to.contain('--accept docker');
      expect((await connection.search.find(reference(`${repository}:v1`))).stored.digest).to.equal(
        image.digest,
      );
    }
  });

  it('refuses an image of schema 1 with the reason, not as one that lies about its digest', async () => {
    const image = await schema1Signed('old', 'v1');
    await push('old', 'v1', image);
    for (const rest of ['old:v1', `old@${image.digest}`]) {
      const error = await refusal(rest);
      expect([error.code, error.exit]).to.deep.equal(['schema1_unsupported', 5]);
      expect(error.message).to.contain('retired in 2020');
      expect(error.suggestions.join()).to.contain('push the image again');
    }
  });
});

describe('A search in docker-registry with a password', () => {
  requires('docker-registry', 'htpasswd');
  let registry: DockerRegistry;
  let image: FixtureManifest;
  before(async () => {
    registry = await startDockerRegistry({ auth: { kind: 'basic', user: 'me', password: 'pä:ss' } });
    image = await buildxIndex(SMALL);
    const authorization = `Basic ${Buffer.from('me:pä:ss').toString('base64')}`;
    await pushFixture({ url: registry.url, repository: 'app', authorization }, 'v1', image);
  });
  after(() => registry.stop());

  const find = async (env: Readonly<Record<string, string>>, home?: string) => {
    await using connection = await connectForTest({ env, ...(home === undefined ? {} : { home }) });
    const found = await connection.search.find(parseReference(`${registry.host}/app:v1`));
    return { found, trips: connection.trips };
  };

  it('finds it for who is logged in, in two requests, then in one', async () => {
    const env = loggedIn(registry.host, basicEntry('me', 'pä:ss'));
    await using folder = await makeTempFolder('home');
    for (const expected of [[401, 200], [200]]) {
      await using connection = await connectForTest({ env, home: folder.path });
      const { stored } = await connection.search.find(parseReference(`${registry.host}/app:v1`));
      expect(stored.digest).to.equal(image.digest);
      expect(connection.trips.map(({ status }) => status)).to.deep.equal(expected);
    }
  });

  it('is unauthorized for nobody and for a wrong password, each with its mend', async () => {
    const nobody = await failureOf(() => find({}));
    expect([nobody.code, nobody.exit]).to.deep.equal(['registry_unauthorized', 4]);
    expect(nobody.message).to.equal(
      `the registry ${registry.host} asks for credentials, and none were found`,
    );
    expect(nobody.evidence.join()).to.contain('-> 401 UNAUTHORIZED: authentication required');
    expect(nobody.suggestions.join())
      .to.contain(`docker login ${registry.host}`)
      .and.contain('DOCKER_AUTH_CONFIG');

    const wrong = await failureOf(() => find(loggedIn(registry.host, basicEntry('me', 'hunter2'))));
    expect(wrong.code).to.equal('registry_unauthorized');
    expect(wrong.message).to.contain('does not accept the credentials');
    expect(JSON.stringify(wrong.toDocument())).not.to.contain('hunter2');
  });

  it('does not ask who is logged in to log in, where there is no such repository', async () => {
    for (const rest of ['nobody/here:v1', `nobody/here@${digestOf('nothing')}`]) {
      await using connection = await connectForTest({
        env: loggedIn(registry.host, basicEntry('me', 'pä:ss')),
      });
      const error = await failureOf(() => connection.search.find(parseReference(`${registry.host}/${rest}`)));
      expect([error.code, error.exit]).to.deep.equal(['repository_not_found', 3]);
      expect(error.suggestions).to.deep.equal([
        'check the spelling of the repository',
        'a private one may be hidden from who lacks the right to it: asked as me, with the login of DOCKER_AUTH_CONFIG',
      ]);
    }
  });

  it('names the login that was not accepted, and what mends it where it lies', async () => {
    await using folder = await makeTempFolder('home');
    const file = join(folder.path, '.docker', 'config.json');
    await mkdir(dirname(file));
    await writeFile(file, JSON.stringify({ auths: { [registry.host]: basicEntry('me', 'hunter2') } }));
    const ofFile = await failureOf(() => find({}, folder.path));
    expect(ofFile.evidence).to.include(`asked as me, with the login of ${file}`);
    expect(ofFile.suggestions[0]).to.equal(`log in: docker login ${registry.host}`);

    // A good login in the file helps nobody as long as the variable goes first.
    await writeFile(file, JSON.stringify({ auths: { [registry.host]: basicEntry('me', 'pä:ss') } }));
    const variable = loggedIn(registry.host, basicEntry('me', 'hunter2'));
    const ofVariable = await failureOf(() => find(variable, folder.path));
    expect(ofVariable.evidence).to.include('asked as me, with the login of DOCKER_AUTH_CONFIG');
    expect(ofVariable.suggestions[0]).to.contain('mend or unset DOCKER_AUTH_CONFIG');
    expect(ofVariable.suggestions.join()).to.not.contain(`docker login ${registry.host}`);
  });
});

describe('A search in docker-registry with a token server', () => {
  requires('docker-registry', 'openssl');
  let tokens: TokenServer;
  let registry: DockerRegistry;
  let image: FixtureManifest;
  before(async () => {
    tokens = await startTokenServer({
      accounts: { me: 'secret' },
      refreshTokens: ['refresh-1'],
      anonymous: ['pull'],
    });
    registry = await startDockerRegistry({ auth: { kind: 'token', server: tokens } });
    image = await buildxIndex(SMALL);
    const authorization = `Bearer ${tokens.sign(['repository:app:pull,push'], 300)}`;
    await pushFixture({ url: registry.url, repository: 'app', authorization }, 'v1', image);
  });
  after(async () => {
    await registry.stop();
    await tokens.stop();
  });

  const find = async (env: Readonly<Record<string, string>>, home?: string): Promise<void> => {
    await using connection = await connectForTest({ env, ...(home === undefined ? {} : { home }) });
    const { stored } = await connection.search.find(parseReference(`${registry.host}/app:v1`));
    expect(stored.digest).to.equal(image.digest);
  };
  /** `GET /v2/app/manifests/v1 401`, as the registry and the token server saw them since. */
  const counted = async (work: () => Promise<void>): Promise<{ registry: string[]; tokens: number }> => {
    const [requests, asked] = [registry.requests().length, tokens.requests.length];
    await work();
    return {
      registry: registry.requests().slice(requests),
      tokens: tokens.requests.length - asked,
    };
  };

  it('asks three times when it knows nothing, twice when the challenge is remembered, and never for /v2/', async () => {
    await using folder = await makeTempFolder('home');
    const cold = await counted(() => find({}, folder.path));
    expect(cold).to.deep.equal({
      registry: ['GET /v2/app/manifests/v1 401', 'GET /v2/app/manifests/v1 200'],
      tokens: 1,
    });
    const warm = await counted(() => find({}, folder.path));
    expect(warm).to.deep.equal({ registry: ['GET /v2/app/manifests/v1 200'], tokens: 1 });
  });

  it('finds it with a password and with an identity token', async () => {
    await find(loggedIn(registry.host, basicEntry('me', 'secret')));
    expect(tokens.requests.at(-1)?.authorization).to.match(/^Basic /);
    await find(loggedIn(registry.host, { identitytoken: 'refresh-1', ...basicEntry('me', '') }));
    expect(tokens.requests.at(-1)).to.include({ method: 'POST', authorization: undefined });
  });

  it('is unauthorized for wrong credentials: the token server says so', async () => {
    for (const entry of [basicEntry('me', 'hunter2'), { identitytoken: 'hunter2' }]) {
      const error = await failureOf(() => find(loggedIn(registry.host, entry)));
      expect([error.code, error.exit]).to.deep.equal(['registry_unauthorized', 4]);
      expect(error.message).to.contain(
        'refused to give a token with the credentials from DOCKER_AUTH_CONFIG',
      );
      expect(error.suggestions.join())
        .to.contain('mend or unset DOCKER_AUTH_CONFIG')
        .and.not.contain(`docker login ${registry.host}`);
      expect(JSON.stringify(error.toDocument())).not.to.contain('hunter2');
    }
  });

  it('is unauthorized where the token that is given does not reach', async () => {
    await using strict = await startTokenServer({ anonymous: [] });
    await using closed = await startDockerRegistry({ auth: { kind: 'token', server: strict } });
    await using connection = await connectForTest();
    const error = await failureOf(() => connection.search.find(parseReference(`${closed.host}/app:v1`)));
    expect([error.code, error.exit]).to.deep.equal(['registry_unauthorized', 4]);
    expect(error.evidence.join()).to.contain('-> 401 UNAUTHORIZED');
    // Docker Hub answers so for what is not there.
    expect(error.suggestions.join()).to.contain("check the repository's name");
    expect(strict.requests, 'a token that was refused is not asked for again').to.have.length(1);
  });

  it('fetches another token when the remembered way leads to one that the registry refuses', async () => {
    await using folder = await makeTempFolder('home');
    // The registry has moved to another token server, whose key the remembered one does not have.
    await using former = await startTokenServer({ anonymous: ['pull'] });
    const memory = new FileChallengeMemory(join(folder.path, '.cache', 'deployer'));
    await memory.remember(registry.host, { scheme: 'bearer', realm: former.realm, service: former.service });
    const asked = await counted(() => find({}, folder.path));
    expect(asked).to.deep.equal({
      registry: ['GET /v2/app/manifests/v1 401', 'GET /v2/app/manifests/v1 200'],
      tokens: 1,
    });
    expect(former.requests).to.have.length(1);
    // And remembers the new way.
    expect((await counted(() => find({}, folder.path))).registry).to.have.length(1);
  });
});

describe('A search in docker-registry over TLS', () => {
  requires('docker-registry', 'openssl');

  it('is refused while its authority is unknown, and finds the image once certs.d holds it', async () => {
    await using folder = await makeTempFolder('tls');
    const certificates = await makeCertificates(folder.path);
    const image = await buildxIndex(SMALL);
    {
      await using plain = await startDockerRegistry({ dataFolder: folder.path });
      await pushFixture({ url: plain.url, repository: 'app' }, 'v1', image);
    }
    await using registry = await startDockerRegistry({ tls: certificates, dataFolder: folder.path });
    await using connection = await connectForTest();
    const reference = parseReference(`${registry.host}/app:v1`);

    const untrusted = await failureOf(() => connection.search.find(reference));
    expect([untrusted.code, untrusted.exit]).to.deep.equal(['tls_failed', 12]);
    expect(untrusted.message).to.contain(registry.host);
    expect(untrusted.evidence.join()).to.match(/certificate/i);
    expect(untrusted.suggestions.join()).to.contain(`~/.docker/certs.d/${registry.host}/ca.crt`);

    const ca = authorityFile(connection.home, registry.host);
    await mkdir(dirname(ca), { recursive: true });
    await copyFile(certificates.caFile, ca);
    await using trusting = await connectForTest({ home: connection.home });
    // On loopback plain http is tried first; that this port speaks TLS is found out by itself.
    for (const _ of ['found out', 'known']) {
      expect((await trusting.search.find(reference)).stored.digest).to.equal(image.digest);
    }
    expect(trusting.trips.map(({ url, status }) => `${new URL(url).protocol} ${status}`)).to.deep.equal([
      'http: 400',
      'https: 200',
      'https: 200',
    ]);
  });

  it('that wants a client certificate says so, and takes the one that certs.d holds for it, for a push too', async () => {
    await using folder = await makeTempFolder('mutual-tls');
    const certificates = await makeCertificates(folder.path);
    const { caFile, certFile, keyFile } = certificates;
    await using registry = await startDockerRegistry({ tls: certificates, clientAuthority: caFile });
    await using connection = await connectForTest();
    const ca = authorityFile(connection.home, registry.host);
    await mkdir(dirname(ca), { recursive: true });
    await copyFile(caFile, ca);
    const image = await ociImage({ runnable: false });
    const reference = parseReference(`${registry.host}/app:v1`);

    const refused = await failureOf(() => connection.search.find(reference));
    expect([refused.code, refused.exit]).to.deep.equal(['tls_failed', 12]);
    expect(refused.message).to.equal(
      `${registry.host} wants a client certificate, and takes none of what it got`,
    );
    expect(refused.suggestions.join()).to.contain(`~/.docker/certs.d/${registry.host}/client.cert`);

    await copyFile(certFile, join(dirname(ca), 'client.cert'));
    await copyFile(keyFile, join(dirname(ca), 'client.key'));
    await using known = await connectForTest({ home: connection.home });
    const push = new RepositoryPush(known.registry.requests, reference);
    for (const blob of image.blobs) await push.blob(blob, { open: () => Readable.from([blob.bytes]) });
    await push.manifest('v1', image);
    expect((await known.search.find(reference)).stored.digest).to.equal(image.digest);
    expect(registry.requests().at(-1)).to.equal('GET /v2/app/manifests/v1 200');
  });
});
