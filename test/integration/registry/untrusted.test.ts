import { expect } from 'chai';
import { digestOf } from '../../../src/oci/digest.js';
import { ACCEPT_ALL, MEDIA_TYPE } from '../../../src/oci/media-types.js';
import { parseReference } from '../../../src/oci/reference.js';
import {
  htmlPage,
  manifestAnswer,
  redirect,
  registryError,
  startHostileServer,
  type Script,
} from '../../support/hostile-server.js';
import { buildxIndex, ociImage, type FixtureManifest } from '../../support/image-fixtures.js';
import { basicEntry, connectForTest, loggedIn } from '../../support/registry-connection.js';
import { searchFails } from '../../support/search-fails.js';

const MEBI = 1024 * 1024;
const GIBI = 1024 * MEBI;

describe('A search that is lied to', () => {
  let image: FixtureManifest;
  let other: FixtureManifest;
  before(async () => {
    image = await buildxIndex({ runnable: false });
    other = await buildxIndex({ runnable: false, message: 'other' });
  });

  it('about the digest that was asked for is digest_mismatch, both digests named', async () => {
    const lie = manifestAnswer(other.bytes, other.mediaType, image.digest);
    const { error } = await searchFails(lie, `app@${image.digest}`);
    expect([error.code, error.exit]).to.deep.equal(['digest_mismatch', 12]);
    expect(error.evidence).to.include(`the digest that was asked for: ${image.digest}`);
    expect(error.evidence).to.include(`the digest of the bytes: ${other.digest}`);
    expect(error.suggestions.join()).to.contain('do not use this image').and.contain('NO_PROXY');
  });

  it('about the digest of a tag is digest_mismatch: what the registry names is not what it sends', async () => {
    const { error } = await searchFails(manifestAnswer(other.bytes, other.mediaType, image.digest));
    expect(error.code).to.equal('digest_mismatch');
    expect(error.evidence).to.include(`the digest that the registry names: ${image.digest}`);
  });

  it('in sha512 is found out, and told the truth in sha512 is not', async () => {
    const honest = digestOf(image.bytes, 'sha512');
    const lying = await searchFails(
      manifestAnswer(image.bytes, image.mediaType),
      `app@${digestOf('x', 'sha512')}`,
    );
    expect(lying.error.code).to.equal('digest_mismatch');
    await using server = await startHostileServer(() => manifestAnswer(image.bytes, image.mediaType, honest));
    await using connection = await connectForTest();
    for (const rest of [`app@${honest}`, 'app:v1']) {
      const { stored } = await connection.search.find(parseReference(`${server.host}/${rest}`));
      expect(stored.digest).to.equal(honest);
    }
  });

  it('is not misled by a digest header that is none, or that contradicts the digest asked for', async () => {
    for (const [header, rest] of [
      ['sha256:../../x', 'app:v1'],
      [other.digest, `app@${image.digest}`],
    ] as const) {
      await using server = await startHostileServer(() =>
        manifestAnswer(image.bytes, image.mediaType, header),
      );
      await using connection = await connectForTest();
      const { stored } = await connection.search.find(parseReference(`${server.host}/${rest}`));
      expect(stored.digest).to.equal(image.digest);
    }
  });

  it('about the media type is manifest_invalid (CVE-2021-41190)', async () => {
    const { error } = await searchFails(manifestAnswer(image.bytes, MEDIA_TYPE.ociManifest, image.digest));
    expect([error.code, error.exit]).to.deep.equal(['manifest_invalid', 5]);
    expect(error.message).to.contain('CVE-2021-41190').and.contain(MEDIA_TYPE.ociIndex);
  });

  for (const chunked of [false, true]) {
    it(`about what a manifest is, 4 MiB and a byte ${chunked ? 'not ' : ''}announced, is manifest_too_large`, async () => {
      const { error } = await searchFails({ chunked, padBytes: 4 * MEBI + 1 });
      expect([error.code, error.exit]).to.deep.equal(['manifest_too_large', 5]);
      expect(error.message).to.contain('larger than 4 MiB');
      expect(error.evidence.join()).to.match(/GET http.+manifests\/v1/);
      expect(error.suggestions.join()).to.contain('check the reference');
    });

    it(`with 1 GiB ${chunked ? 'not ' : ''}announced lets it lie: memory and time stay small`, async () => {
      const before = process.memoryUsage.rss();
      const { error, server } = await searchFails({ chunked, padBytes: GIBI });
      expect(error.code).to.equal('manifest_too_large');
      expect(server.bytesSent(), 'what the system buffers, not the body').to.be.below(32 * MEBI);
      expect(process.memoryUsage.rss() - before).to.be.below(200 * MEBI);
    });
  }

  it('takes what just fits into 4 MiB', async () => {
    const padded = Buffer.concat([image.bytes, Buffer.alloc(4 * MEBI - image.size, ' ')]);
    await using server = await startHostileServer(() => manifestAnswer(padded, image.mediaType));
    await using connection = await connectForTest();
    const { stored } = await connection.search.find(parseReference(`${server.host}/app:v1`));
    expect(stored.size).to.equal(4 * MEBI);
  });
});

describe('A search that is sent elsewhere', () => {
  it('takes no credential there, and finds the image', async () => {
    const image = await ociImage({ runnable: false });
    await using cdn = await startHostileServer(() =>
      manifestAnswer(image.bytes, image.mediaType, image.digest),
    );
    await using server = await startHostileServer(({ headers }) =>
      headers['authorization'] === undefined
        ? { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } }
        : redirect(`${cdn.url}/signed?sig=1`),
    );
    await using connection = await connectForTest({
      env: loggedIn(server.host, basicEntry('me', 'hunter2')),
    });
    const { stored } = await connection.search.find(parseReference(`${server.host}/app:v1`));
    expect(stored.digest).to.equal(image.digest);
    expect(server.requests.at(-1)?.headers['authorization']).to.equal(
      `Basic ${basicEntry('me', 'hunter2').auth}`,
    );
    expect(JSON.stringify(cdn.requests)).not.to.match(/authorization|Basic|hunter2/i);
    expect(cdn.requests[0]?.headers['accept']).to.equal(ACCEPT_ALL.join(', '));
  });

  it('in a circle, or to a place that is none, is redirect_refused', async () => {
    const circle = await searchFails(({ url }) => redirect(url));
    expect([circle.error.code, circle.error.exit]).to.deep.equal(['redirect_refused', 12]);
    const file = await searchFails(redirect('file:///etc/passwd'));
    expect(file.error.code).to.equal('redirect_refused');
    expect(file.error.message).to.contain('neither http nor https');
  });

  it('by a login page of another host says that this is no registry', async () => {
    await using portal = await startHostileServer(() => htmlPage());
    const { error } = await searchFails(redirect(`${portal.url}/login?next=x`));
    expect(error.code).to.equal('not_a_registry');
    expect(error.message).to.contain(portal.host);
    expect(error.evidence.join()).to.contain(`GET ${portal.url}/login -> 200`);
  });
});

describe('A search that comes too early', () => {
  const found = async (script: Script, lagMs?: number) => {
    await using server = await startHostileServer(script);
    await using connection = await connectForTest();
    const said: string[] = [];
    const options = { onWait: (why: string) => said.push(why), ...(lagMs === undefined ? {} : { lagMs }) };
    const reference = parseReference(`${server.host}/app:v1`);
    const outcome = await connection.search.find(reference, options).catch((error: unknown) => error);
    return { outcome, said, slept: connection.clock.slept, host: server.host };
  };
  const missing = registryError(404, 'MANIFEST_UNKNOWN', 'manifest unknown');
  const listed = { body: '{"name":"app","tags":["v1"]}' };
  const others = { body: '{"name":"app","tags":["v0"]}' };

  it('waits while the tag is listed and its manifest is not there yet, says so, then finds it', async () => {
    const image = await ociImage({ runnable: false });
    let asked = 0;
    const { outcome, said, slept, host } = await found(({ url }) => {
      if (url.includes('/tags/')) return listed;
      asked += 1;
      return asked < 3 ? missing : manifestAnswer(image.bytes, image.mediaType, image.digest);
    });
    expect(outcome).to.have.nested.property('stored.digest', image.digest);
    expect(slept).to.deep.equal([2000, 2000]);
    expect(said).to.have.length(2);
    expect(said[0]).to.equal(`${host} lists the tag, but does not have its manifest yet; asking again`);
  });

  it('gives up after six seconds when it never comes', async () => {
    const { outcome, slept } = await found(({ url }) => (url.includes('/tags/') ? listed : missing));
    expect(outcome).to.have.property('code', 'tag_not_found');
    expect(slept).to.deep.equal([2000, 2000, 2000]);
  });

  it('does not wait where nothing lists the tag, unless the host is known to lag', async () => {
    const script: Script = ({ url }) => (url.includes('/tags/') ? others : missing);
    expect((await found(script)).slept).to.deep.equal([]);
    const lagging = await found(script, 9000);
    expect(lagging.outcome).to.have.property('code', 'tag_not_found');
    expect(lagging.slept).to.deep.equal([2000, 2000, 2000, 2000]);
    expect(lagging.said[0]).to.contain('may take some seconds to show a fresh push');
  });
});
