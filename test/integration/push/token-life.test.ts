import { Readable } from 'node:stream';
import { expect } from 'chai';
import { ACCEPT_ALL } from '../../../src/oci/media-types.js';
import { parseReference } from '../../../src/oci/reference.js';
import type { BlobContent } from '../../../src/registry/blob-content.js';
import { downloadBlob } from '../../../src/registry/download.js';
import { RepositoryPush } from '../../../src/registry/push.js';
import { makeCopier } from '../../support/copying.js';
import { startDockerRegistry, type DockerRegistry } from '../../support/docker-registry.js';
import { eventually } from '../../support/eventually.js';
import { randomImage, type FixtureBlob } from '../../support/image-fixtures.js';
import { basicEntry, loggedIn } from '../../support/registry-connection.js';
import { requires } from '../../support/requirements.js';
import { startTokenServer, type TokenServer } from '../../support/token-server.js';

/** docker-registry takes a token for this many seconds longer than it says (distribution, auth/token, Leeway). */
const LEEWAY = 60;
const LIFE = 300;
const PASSWORD = 'planted-password-8c1d';
const ENTRY = basicEntry('deployer', PASSWORD);

/**
 * The token server's clock is so far behind that the registry refuses a token some seconds after it was given, while
 * the answer says 300 s: this is how a token expires in the middle of a push, whatever a client does to renew it early.
 */
const SHORT = { accounts: { deployer: PASSWORD }, expiresIn: LIFE, clockAheadBy: -(LIFE + LEEWAY - 3) };

/** With its bytes. */
function blobOf(blob: FixtureBlob | undefined): [FixtureBlob, BlobContent] {
  if (blob === undefined) throw new Error('the fixture has no such blob');
  return [blob, { open: () => Readable.from([blob.bytes]) }];
}

describe('A token whose life ends at a real registry', () => {
  requires('docker-registry', 'openssl');

  async function withShortTokens(work: (registry: DockerRegistry, tokens: TokenServer) => Promise<void>) {
    await using tokens = await startTokenServer(SHORT);
    await using registry = await startDockerRegistry({ auth: { kind: 'token', server: tokens } });
    await work(registry, tokens);
  }

  /** Until the registry refuses a token that is given now, and so all that were given before. */
  async function untilRefused(registry: DockerRegistry, tokens: TokenServer, path: string): Promise<void> {
    const token = tokens.sign([`repository:${path}:pull`], LIFE);
    await eventually(async () => {
      const { status } = await fetch(`${registry.url}/v2/${path}/tags/list`, {
        headers: { authorization: `Bearer ${token}` },
      });
      expect(status).to.equal(401);
    }, 10_000);
  }

  it('in the middle of a push is renewed once, and the body sent again from its beginning', () =>
    withShortTokens(async (registry, tokens) => {
      await using copier = await makeCopier(loggedIn(registry.host, ENTRY));
      const image = randomImage([300_000]);
      const [config, layer] = image.blobs;
      const repository = { domain: registry.host, path: 'team/late' };
      const push = new RepositoryPush(copier.connection.registry.requests, repository);
      let opened = 0;
      const content = {
        async *open() {
          opened += 1;
          // The request's head goes with its first bytes.
          if (opened === 1) await untilRefused(registry, tokens, 'team/late');
          yield layer?.bytes as Buffer;
        },
      };
      expect(await push.blob(blobOf(layer)[0], content)).to.equal('sent');
      expect(opened).to.equal(2);
      const uploads = registry.requests().filter((line) => line.startsWith('PUT '));
      expect(uploads.map((line) => line.slice(-3))).to.deep.equal(['401', '201']);
      expect(tokens.requests, 'one more token').to.have.length(2);

      expect(await push.blob(...blobOf(config))).to.equal('sent');
      await push.manifest('v1', image);
      expect(await push.digestOf('v1')).to.equal(image.digest);
    }));

  it('in the middle of a pull is renewed, and the blob comes whole', () =>
    withShortTokens(async (registry, tokens) => {
      await using copier = await makeCopier(loggedIn(registry.host, ENTRY));
      const image = randomImage([300_000]);
      const [layer] = image.blobs.slice(1);
      const access = { domain: registry.host, path: 'team/pulled' };
      const push = new RepositoryPush(copier.connection.registry.requests, access);
      for (const blob of image.blobs) await push.blob(...blobOf(blob));
      await push.manifest('v1', image);

      await using reader = await makeCopier(loggedIn(registry.host, ENTRY));
      const from = tokens.requests.length;
      const { registry: client } = reader.connection;
      await client.manifest(parseReference(`${registry.host}/team/pulled:v1`), { accept: ACCEPT_ALL });
      await untilRefused(registry, tokens, 'team/pulled');
      const chunks: Buffer[] = [];
      const pulling = { ...access, actions: ['pull'] as const };
      for await (const chunk of downloadBlob(client.requests, pulling, blobOf(layer)[0]))
        chunks.push(Buffer.from(chunk));
      expect(Buffer.concat(chunks).equals(layer?.bytes as Buffer)).to.equal(true);
      expect(reader.trips.slice(-3).map((trip) => trip.slice(-3))).to.deep.equal(['401', '200', '200']);
      expect(tokens.requests.length - from, 'one for the manifest, one for the blob').to.equal(2);
    }));
});

describe('An identity token at a token server of before OAuth2', () => {
  requires('docker-registry', 'openssl');

  it('is posted, and where that is not known goes in a GET, for a push too', async () => {
    await using tokens = await startTokenServer({ getOnly: true, accounts: { robot: 'refresh-5' } });
    await using registry = await startDockerRegistry({ auth: { kind: 'token', server: tokens } });
    const entry = { username: 'robot', identitytoken: 'refresh-5' };
    await using copier = await makeCopier(loggedIn(registry.host, entry));
    const [config] = randomImage([1000]).blobs;
    const repository = { domain: registry.host, path: 'team/old' };
    const push = new RepositoryPush(copier.connection.registry.requests, repository);
    await push.blob(...blobOf(config));
    expect(await push.hasBlob(blobOf(config)[0].digest)).to.equal(true);
    expect(tokens.requests.map(({ method, scopes }) => `${method} ${scopes.join()}`)).to.deep.equal([
      'POST repository:team/old:pull,push',
      'GET repository:team/old:pull,push',
    ]);
    const [posted, got] = tokens.requests;
    expect(posted?.authorization, 'a secret goes once').to.equal(undefined);
    expect(got?.authorization).to.equal(`Basic ${basicEntry('robot', 'refresh-5').auth}`);
  });
});
