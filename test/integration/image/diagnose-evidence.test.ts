import { readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Diagnosis } from '../../../src/image/diagnose/diagnose.js';
import { diagnose, diagnoseFully } from '../../support/diagnose.js';
import { startDockerRegistry, type DockerRegistry } from '../../support/docker-registry.js';
import { startEmulatorRegistry } from '../../support/emulator-registry.js';
import {
  manifestAnswer,
  rateLimited,
  registryError,
  startHostileServer,
  type Answer,
} from '../../support/hostile-server.js';
import {
  buildxIndex,
  index,
  multiPlatformIndex,
  nestedIndex,
  ociImage,
  type FixtureManifest,
} from '../../support/image-fixtures.js';
import { pushFixture } from '../../support/push-fixture.js';
import { basicEntry, loggedIn } from '../../support/registry-connection.js';
import { requires } from '../../support/requirements.js';
import { makeTempFolder } from '../../support/temp-folder.js';
import { startTokenServer, type TokenServerOptions } from '../../support/token-server.js';

const SMALL = { runnable: false } as const;
const SCOPE = 'repository:team/app:pull';

describe('Diagnosing with a token server in front of docker-registry', () => {
  requires('docker-registry', 'openssl');
  const account = basicEntry('me', 'secret');

  async function withTokens(
    options: TokenServerOptions,
    run: (name: string, registry: DockerRegistry, asked: () => number) => Promise<void>,
  ): Promise<void> {
    await using server = await startTokenServer({ accounts: { me: 'secret' }, ...options });
    await using registry = await startDockerRegistry({ auth: { kind: 'token', server } });
    const authorization = `Bearer ${server.sign(['repository:team/app:pull,push'], 300)}`;
    const target = { url: registry.url, repository: 'team/app', authorization };
    await pushFixture(target, 'v1', await buildxIndex(SMALL));
    await run(`${registry.host}/team/app:v1`, registry, () => server.requests.length);
  }

  it('shows what was asked and granted, for each identity once, and never a token', async () => {
    await withTokens({ anonymous: [] }, async (name, registry, asked) => {
      const diagnosis = await diagnose(name, { env: loggedIn(registry.host, account) });
      const { tokens } = diagnosis;
      expect(asked(), 'a token for each identity').to.equal(2);
      expect(
        tokens.map(({ credentials, asked: scopes, granted, lacking }) => [
          credentials,
          scopes,
          granted,
          lacking,
        ]),
      ).to.deep.equal([
        ['DOCKER_AUTH_CONFIG', [SCOPE], [SCOPE], []],
        [undefined, [SCOPE], [], [SCOPE]],
      ]);
      for (const { issuedAt, expiresAt } of tokens) {
        const lifetime = Date.parse(expiresAt ?? '') - Date.parse(issuedAt ?? '');
        expect(lifetime).to.equal(300_000);
      }
      const anonymous = diagnosis.clients.find(({ name: client }) => client === 'anonymous');
      expect(anonymous).to.include({ status: 401, found: false });
      expect(JSON.stringify(diagnosis)).not.to.match(/eyJ/);
    });
  });

  it('names what a token lacks that is refused', async () => {
    await withTokens({ anonymous: ['push'] }, async (name) => {
      const { diagnosis, error } = await diagnoseFully(name);
      expect(error).to.include({ code: 'registry_unauthorized', exit: 4 });
      expect(diagnosis.tokens[0]).to.deep.include({ granted: [], lacking: [SCOPE] });
    });
  });
});

/** A registry that answers for one image, with these headers. */
function registryOf(
  image: FixtureManifest,
  headers: Readonly<Record<string, string>>,
): (url: string) => Answer {
  return (url) => {
    const blob = image.blobs.find(({ digest }) => url.endsWith(digest));
    if (blob !== undefined) return { body: blob.bytes };
    const answer = manifestAnswer(image.bytes, image.mediaType, image.digest);
    return { ...answer, headers: { ...answer.headers, ...headers } };
  };
}

describe('Diagnosing clocks and limits', () => {
  it("compares the registry's clock with this machine's", async () => {
    const date = 'Thu, 01 Jan 2026 00:10:00 GMT';
    const answer = registryOf(await ociImage(SMALL), { date });
    await using server = await startHostileServer(({ url }) => answer(url));
    const clock = { now: () => Date.UTC(2026, 0, 1) };
    const { clock: found } = await diagnose(`${server.host}/app:v1`, { clock });
    expect(found).to.deep.equal({ registry: '2026-01-01T00:10:00.000Z', skewSeconds: 600 });
  });

  it("shows a token that the registry's clock does not take yet, or no longer", async () => {
    const image = await ociImage(SMALL);
    const seconds = Date.UTC(2026, 0, 1) / 1000;
    const claims = { iat: seconds + 300, exp: seconds - 60, access: [] };
    const token = `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.e30`;
    const answer = registryOf(image, { date: 'Thu, 01 Jan 2026 00:00:00 GMT' });
    let challenge = '';
    await using server = await startHostileServer(({ url, headers }) => {
      if (url.startsWith('/token')) return { body: JSON.stringify({ token }) };
      if (headers['authorization'] !== undefined) return answer(url);
      return { status: 401, headers: { 'www-authenticate': challenge } };
    });
    challenge = `Bearer realm="${server.url}/token",service="images"`;
    const { tokens } = await diagnose(`${server.host}/app:v1`);
    expect(tokens[0]).to.deep.include({ aheadSeconds: 300, expiredSeconds: 60 });
    expect(tokens[0]?.service).to.equal('images');
  });

  it('says how many pulls are left, as Docker Hub tells it: the lowest of all answers', async () => {
    const image = await ociImage(SMALL);
    let left = 90;
    await using server = await startHostileServer(({ url, method }) => {
      // A HEAD is not counted.
      if (method === 'GET' && url.includes('/manifests/')) left -= 1;
      const headers = { 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': `${left};w=21600` };
      return registryOf(image, { ...headers, 'docker-ratelimit-source': '192.0.2.1' })(url);
    });
    const { rateLimit } = await diagnose(`${server.host}/app:v1`);
    expect(rateLimit).to.deep.equal({
      ...{ limit: 100, remaining: left, windowSeconds: 21_600, source: '192.0.2.1' },
    });
    expect(90 - left, 'GETs that it cost').to.equal(8);
  });

  it('asks nothing more of a registry whose limit is reached', async () => {
    await using server = await startHostileServer(() => rateLimited('900'));
    const { diagnosis, error } = await diagnoseFully(`${server.host}/app:v1`);
    expect(error).to.include({ code: 'registry_rate_limited', exit: 12 });
    expect(server.requests).to.have.length(1);
    expect(diagnosis.rateLimit).to.deep.equal({ retryAfter: '900' });
    expect(diagnosis.clients[1]?.notAsked).to.equal(true);
  });
});

describe('Diagnosing a missing tag', () => {
  it('counts the tags over all pages, and finds the nearest on any of them', async () => {
    await using registry = await startEmulatorRegistry();
    const target = { url: registry.url, repository: 'many' };
    const image = await ociImage(SMALL);
    await pushFixture(target, 'zzz-release-41', image);
    // A push of each would take half a minute.
    const tagFolder = join(registry.dataDir, 'repositories/many/_tags');
    for (let at = 0; at < 1100; at += 1) await writeFile(join(tagFolder, `build-${at}`), image.digest);
    const { tags } = await diagnose(`${registry.host}/many:zzz-release-42`);
    expect(tags).to.deep.include({ status: 'listed', count: 1101, more: false });
    expect(tags).to.have.property('nearest').that.includes('zzz-release-41');
  });

  it('follows no list without an end', async () => {
    await using server = await startHostileServer(({ url }, count) => {
      if (!url.includes('/tags/')) return registryError(404, 'MANIFEST_UNKNOWN', 'manifest unknown');
      const headers = { link: '</v2/app/tags/list?n=1>; rel="next"' };
      return { headers, body: JSON.stringify({ tags: [`v${count}`] }) };
    });
    const { tags } = await diagnose(`${server.host}/app:v1`);
    expect(tags).to.deep.include({ status: 'listed', count: 10, more: true });
  });
});

/** `missing layer linux/amd64` */
function problems({ parts }: Diagnosis): string[] {
  return (parts?.problems ?? [])
    .map(({ state, kind, breaks }) => `${state} ${kind} ${breaks.join(' ')}`)
    .sort();
}

describe('Diagnosing whether an image is complete, in docker-registry 2.8.2', () => {
  requires('docker-registry');
  let registry: DockerRegistry;
  let dataFolder: string;
  let remove: () => Promise<void>;
  before(async () => {
    const folder = await makeTempFolder('data');
    [dataFolder, remove] = [folder.path, folder.remove];
    registry = await startDockerRegistry({ dataFolder, delete: true });
  });
  after(async () => {
    await registry.stop();
    await remove();
  });

  const blobFile = (digest: string): string => {
    const hex = digest.replace('sha256:', '');
    return join(dataFolder, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data');
  };

  async function pushed(repository: string, image: FixtureManifest): Promise<string> {
    await pushFixture({ url: registry.url, repository }, 'v1', image);
    return `${registry.host}/${repository}:v1`;
  }

  async function deleteManifest(repository: string, digest: string | undefined): Promise<void> {
    const gone = await fetch(`${registry.url}/v2/${repository}/manifests/${digest}`, { method: 'DELETE' });
    expect(gone.status).to.equal(202);
  }

  it('says so when it is, having asked for each part once', async () => {
    const image = await buildxIndex({ ...SMALL, message: 'whole' });
    const name = await pushed('whole', image);
    const before = registry.requests().length;
    const { diagnosis, error } = await diagnoseFully(name, { complete: true });
    expect([error, diagnosis.parts?.problems]).to.deep.equal([undefined, []]);
    const blobs = new Set(image.children.flatMap((child) => child.blobs.map(({ digest }) => digest)));
    expect(diagnosis.parts?.checked).to.deep.equal({ manifests: 2, blobs: blobs.size });
    const heads = registry
      .requests()
      .slice(before)
      .filter((line) => line.startsWith('HEAD /v2/whole/blobs/'));
    expect(heads).to.have.length(blobs.size);
  });

  it('finds a platform whose manifest was deleted from the registry, without being asked to look', async () => {
    const image = await multiPlatformIndex('oci', { ...SMALL, message: 'hole' });
    const name = await pushed('hole', image);
    await deleteManifest('hole', image.children[0]?.digest);
    const { diagnosis, error } = await diagnoseFully(name);
    expect(error, 'it was found').to.equal(undefined);
    expect(problems(diagnosis)).to.deep.equal(['missing manifest linux/amd64']);
    const fly = diagnosis.targets.find(({ name: target }) => target === 'fly');
    expect(fly).to.include({ runs: false, adaptation: 'rebuild' });
    expect(fly?.reason)
      .to.contain(image.children[0]?.digest ?? 'no digest')
      .and.contain('is missing');
    // It runs arm64 as well, but takes amd64 of an index that names it.
    expect(diagnosis.targets.find(({ name: target }) => target === 'ecs')?.runs).to.equal(false);
    expect((await diagnoseFully(name, { target: 'fly' })).error).to.include({
      code: 'image_incomplete',
      exit: 5,
    });
    expect((await diagnoseFully(name, { complete: true })).error).to.include({ code: 'image_incomplete' });
  });

  it('names a missing index within the index', async () => {
    const image = await nestedIndex({ ...SMALL, message: 'nested' });
    const name = await pushed('nested', image);
    await deleteManifest('nested', image.children[0]?.digest);
    const { diagnosis, error } = await diagnoseFully(name);
    expect(error).to.include({ code: 'image_incomplete', exit: 5 });
    expect(error?.message).to.contain(image.children[0]?.digest);
    expect(diagnosis.digest).to.equal(image.digest);
  });

  it('finds configs, layers and attestations that are gone or cut short, and what each breaks', async () => {
    const [amd64, arm64] = (await multiPlatformIndex('oci', { ...SMALL, message: 'blobs' })).children;
    const built = await buildxIndex({ ...SMALL, message: 'attested' });
    const image = index([...built.children, arm64 as FixtureManifest]);
    expect(amd64).not.to.equal(undefined);
    const name = await pushed('blobs', image);
    const [config, shared] = arm64?.blobs ?? [];
    const [, , own] = built.children[0]?.blobs ?? [];
    await rm(blobFile(config?.digest ?? ''));
    await rm(blobFile(shared?.digest ?? ''));
    await truncate(blobFile(own?.digest ?? ''), 10);
    await deleteManifest('blobs', built.children[1]?.digest);
    const { diagnosis, error } = await diagnoseFully(name, { complete: true });
    expect(problems(diagnosis)).to.deep.equal([
      'damaged layer linux/amd64',
      'missing config linux/arm64',
      'missing layer linux/amd64 linux/arm64',
      'missing manifest attestation',
    ]);
    expect(error).to.include({ code: 'image_incomplete', exit: 5 });
    // Not asked about, blobs are not looked at, nor attestations.
    const { diagnosis: short, error: none } = await diagnoseFully(name);
    expect([problems(short), none]).to.deep.equal([[], undefined]);
  });

  it('finds a manifest that is not what its digest says', async () => {
    const image = await multiPlatformIndex('oci', { ...SMALL, message: 'forged' });
    const name = await pushed('forged', image);
    const file = blobFile(image.children[1]?.digest ?? '');
    await writeFile(file, (await readFile(file, 'utf8')).replace('"schemaVersion":2', '"schemaVersion": 2'));
    expect(problems(await diagnose(name))).to.deep.equal(['damaged manifest linux/arm64']);
  });
});

describe('Diagnosing whether an image is complete', () => {
  it("does not take a registry's failure for an answer", async () => {
    const image = await ociImage(SMALL);
    const answer = registryOf(image, {});
    await using server = await startHostileServer(({ url, method }) => {
      if (method === 'HEAD' && url.includes('/blobs/')) return { status: 503 };
      return answer(url);
    });
    const { diagnosis, error } = await diagnoseFully(`${server.host}/app:v1`, { complete: true });
    expect(new Set(diagnosis.parts?.problems.map(({ state }) => state))).to.deep.equal(
      new Set(['unchecked']),
    );
    expect(error).to.include({ code: 'registry_unavailable', exit: 12 });
    expect(diagnosis.targets.find(({ name }) => name === 'fly')?.runs).to.equal(true);
  });
});
