import { connect } from 'node:net';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { expect } from 'chai';
import { digestOf } from '../../../src/oci/digest.js';
import { eventually } from '../../support/eventually.js';
import { startEmulatorRegistry, type EmulatorRegistry } from '../../support/emulator-registry.js';
import { ask, beginUpload, putBlob } from '../../support/registry-requests.js';

const UNKNOWN = digestOf('never pushed');

describe("Blobs of the emulator's registry", () => {
  let registry: EmulatorRegistry;
  before(async () => {
    registry = await startEmulatorRegistry();
  });
  after(() => registry.stop());

  /** Pulls it and compares. */
  async function expectBlob(
    repository: string,
    bytes: Uint8Array | string,
    algorithm?: 'sha512',
  ): Promise<void> {
    const digest = digestOf(bytes, algorithm);
    const got = await ask(registry, 'GET', `/v2/${repository}/blobs/${digest}`);
    expect(got.status).to.equal(200);
    expect(digestOf(got.bytes, algorithm)).to.equal(digest);
    expect(got.headers.get('docker-content-digest')).to.equal(digest);
  }

  async function expectNoBlob(repository: string, digest: string): Promise<void> {
    const { status, headers } = await ask(registry, 'HEAD', `/v2/${repository}/blobs/${digest}`);
    expect(status).to.equal(404);
    expect(headers.get('docker-content-digest')).to.equal(null);
  }

  describe('pushed', () => {
    it('in one POST are there, with length, type and digest told by HEAD', async () => {
      const digest = await putBlob(registry, 'team/app', 'in one request');
      await expectBlob('team/app', 'in one request');
      const { headers, bytes } = await ask(registry, 'HEAD', `/v2/team/app/blobs/${digest}`);
      expect(bytes).to.have.length(0);
      expect(headers.get('content-length')).to.equal('14');
      expect(headers.get('content-type')).to.equal('application/octet-stream');
      expect(headers.get('docker-distribution-api-version')).to.equal('registry/2.0');
    });

    it('by POST and PUT get a location that pulls them', async () => {
      const digest = digestOf('two requests');
      const location = await beginUpload(registry, 'app');
      const put = await ask(registry, 'PUT', `${location}?digest=${digest}`, { body: 'two requests' });
      expect(put.status).to.equal(201);
      const pulled = await ask(registry, 'GET', put.headers.get('location') ?? '');
      expect(pulled.bytes.toString()).to.equal('two requests');
    });

    it('in chunks are put together, the last one in the PUT', async () => {
      const location = await beginUpload(registry, 'app');
      const first = await ask(registry, 'PATCH', location, {
        body: 'one ',
        headers: { 'content-range': '0-3' },
      });
      expect([first.status, first.headers.get('range')]).to.deep.equal([202, '0-3']);
      const second = await ask(registry, 'PATCH', first.headers.get('location') ?? '', {
        body: 'two ',
        headers: { 'content-range': '4-7' },
      });
      expect([second.status, second.headers.get('range')]).to.deep.equal([202, '0-7']);
      const put = await ask(registry, 'PUT', `${location}?digest=${digestOf('one two three')}`, {
        body: 'three',
        headers: { 'content-range': '8-12' },
      });
      expect(put.status).to.equal(201);
      await expectBlob('app', 'one two three');
    });

    it('with a sha512 digest are kept by it', async () => {
      const digest = digestOf('longer digest', 'sha512');
      const path = `/v2/app/blobs/uploads/?digest=${digest}`;
      expect((await ask(registry, 'POST', path, { body: 'longer digest' })).status).to.equal(201);
      await expectBlob('app', 'longer digest', 'sha512');
    });

    it('may be empty', async () => {
      await putBlob(registry, 'app', '');
      await expectBlob('app', '');
    });

    it('by many at once, the same and others, are all there and whole', async () => {
      const shared = randomBytes(700_000);
      const pushes = Array.from({ length: 24 }, (_, at) => (at % 2 ? shared : randomBytes(50_000 + at)));
      await Promise.all(pushes.map((bytes, at) => putBlob(registry, `parallel/r${at % 3}`, bytes)));
      for (const [at, bytes] of pushes.entries()) await expectBlob(`parallel/r${at % 3}`, bytes);
    });
  });

  describe('that are not what they are said to be', () => {
    for (const [how, push] of [
      [
        'POST',
        (digest: string) => ask(registry, 'POST', `/v2/app/blobs/uploads/?digest=${digest}`, { body: 'x' }),
      ],
      [
        'PUT',
        async (digest: string) =>
          ask(registry, 'PUT', `${await beginUpload(registry, 'app')}?digest=${digest}`, { body: 'x' }),
      ],
    ] as const) {
      it(`are refused by ${how} with DIGEST_INVALID, and leave nothing`, async () => {
        const digest = digestOf('something else');
        const { status, codes } = await push(digest);
        expect([status, codes()]).to.deep.equal([400, ['DIGEST_INVALID']]);
        await expectNoBlob('app', digest);
        await expectNoBlob('app', digestOf('x'));
      });
    }

    it('end their session', async () => {
      const location = await beginUpload(registry, 'app');
      await ask(registry, 'PUT', `${location}?digest=${UNKNOWN}`, { body: 'x' });
      const { status, codes } = await ask(registry, 'GET', location);
      expect([status, codes()]).to.deep.equal([404, ['BLOB_UPLOAD_UNKNOWN']]);
    });

    it('do not end it when only the digest parameter is wrong', async () => {
      const location = await beginUpload(registry, 'app');
      for (const query of [
        '',
        '?digest=',
        '?digest=sha256:abc',
        '?digest=md5:d41d8cd98f00b204e9800998ecf8427e',
      ]) {
        const { status, codes } = await ask(registry, 'PUT', `${location}${query}`, { body: 'again' });
        expect([status, codes()], query).to.deep.equal([400, ['DIGEST_INVALID']]);
      }
      const put = await ask(registry, 'PUT', `${location}?digest=${digestOf('again')}`, { body: 'again' });
      expect(put.status).to.equal(201);
    });
  });

  describe('in a chunk', () => {
    it('that leaves a gap or comes twice are answered 416 with what is there, and go on from there', async () => {
      const location = await beginUpload(registry, 'app');
      await ask(registry, 'PATCH', location, { body: 'abc', headers: { 'content-range': '0-2' } });
      for (const range of ['4-6', '0-2', '2-4']) {
        const { status, headers } = await ask(registry, 'PATCH', location, {
          body: 'xyz',
          headers: { 'content-range': range },
        });
        expect([status, headers.get('range')], range).to.deep.equal([416, '0-2']);
      }
      const put = await ask(registry, 'PUT', `${location}?digest=${digestOf('abcdef')}`, {
        body: 'def',
        headers: { 'content-range': '4-6' },
      });
      expect(put.status).to.equal(416);
      await ask(registry, 'PATCH', location, { body: 'def', headers: { 'content-range': '3-5' } });
      expect((await ask(registry, 'PUT', `${location}?digest=${digestOf('abcdef')}`)).status).to.equal(201);
    });

    it('that is not as long as its Content-Range says are not taken', async () => {
      const location = await beginUpload(registry, 'app');
      for (const range of ['0-1', '0-3']) {
        const { status, codes } = await ask(registry, 'PATCH', location, {
          body: 'abc',
          headers: { 'content-range': range },
        });
        expect([status, codes()], range).to.deep.equal([400, ['SIZE_INVALID']]);
      }
      const { status, codes } = await ask(registry, 'PATCH', location, {
        body: 'abc',
        headers: { 'content-range': 'bytes 0-2/3' },
      });
      expect([status, codes()]).to.deep.equal([400, ['BLOB_UPLOAD_INVALID']]);
      await ask(registry, 'PATCH', location, { body: 'whole', headers: { 'content-range': '0-4' } });
      expect((await ask(registry, 'PUT', `${location}?digest=${digestOf('whole')}`)).status).to.equal(201);
    });

    it('of unknown length, that turns out otherwise than its Content-Range, are taken back', async () => {
      const location = await beginUpload(registry, 'app');
      await ask(registry, 'PATCH', location, { body: 'kept ' });
      for (const text of ['too long', 'short']) {
        const answer = await sendRaw(
          registry.port,
          `PATCH ${location} HTTP/1.1\r\nHost: localhost\r\nContent-Range: 5-11\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n` +
            `${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`,
        );
        expect(answer).to.match(/^HTTP\/1.1 400 [\s\S]*SIZE_INVALID/);
      }
      const put = await ask(registry, 'PUT', `${location}?digest=${digestOf('kept end')}`, { body: 'end' });
      expect(put.status).to.equal(201);
    });
  });

  describe('on a connection that breaks', () => {
    /** Announces `bytes` whole, sends `sent` of them, and goes away. */
    async function sendHalf(method: string, path: string, bytes: Buffer, sent: number): Promise<void> {
      const socket = connect(registry.port, '127.0.0.1');
      socket.write(
        `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${bytes.length}\r\n\r\n`,
      );
      await new Promise((resolve) => socket.write(bytes.subarray(0, sent), resolve));
      // Until the registry has read it: what a dying socket still holds is lost.
      await eventually(async () => {
        const status = await ask(registry, 'GET', path.replace(/\?.*/, ''));
        if (method === 'PATCH') expect(status.headers.get('range')).to.equal(`0-${sent - 1}`);
      });
      socket.destroy();
      await once(socket, 'close');
    }

    it('go on where they stopped: the status tells how far they came', async () => {
      const bytes = randomBytes(3_000_000);
      const location = await beginUpload(registry, 'app');
      await sendHalf('PATCH', location, bytes, 1_234_567);
      const status = await ask(registry, 'GET', location);
      expect([status.status, status.headers.get('range')]).to.deep.equal([204, '0-1234566']);
      const rest = await ask(registry, 'PATCH', status.headers.get('location') ?? '', {
        body: bytes.subarray(1_234_567),
        headers: { 'content-range': `1234567-${bytes.length - 1}` },
      });
      expect(rest.status).to.equal(202);
      expect((await ask(registry, 'PUT', `${location}?digest=${digestOf(bytes)}`)).status).to.equal(201);
      await expectBlob('app', bytes);
    });

    it('in a PUT are not taken for whole, though the bytes so far have the digest', async () => {
      const bytes = randomBytes(100_000);
      const digest = digestOf(bytes.subarray(0, 60_000));
      const location = await beginUpload(registry, 'app');
      await sendHalf('PUT', `${location}?digest=${digest}`, bytes, 60_000);
      await eventually(() => expect(registry.lines.join('\n')).to.match(/PUT .* broken off/));
      await expectNoBlob('app', digest);
    });

    it('in a single POST leave nothing', async () => {
      const bytes = randomBytes(100_000);
      const digest = digestOf(bytes.subarray(0, 60_000));
      await sendHalf('POST', `/v2/app/blobs/uploads/?digest=${digest}`, bytes, 60_000);
      await eventually(() => expect(registry.lines.join('\n')).to.match(/POST .* broken off/));
      await expectNoBlob('app', digest);
    });
  });

  describe('in an upload session', () => {
    it('that two use at once come in the order in which they fit', async () => {
      const location = await beginUpload(registry, 'app');
      const send = (body: string, range: string) =>
        ask(registry, 'PATCH', location, { body, headers: { 'content-range': range } });
      const answers = await Promise.all([send('same', '0-3'), send('same', '0-3'), send('same', '0-3')]);
      expect(answers.map(({ status }) => status).sort()).to.deep.equal([202, 416, 416]);
      expect((await ask(registry, 'PUT', `${location}?digest=${digestOf('same')}`)).status).to.equal(201);
    });

    it('are gone when it is cancelled', async () => {
      const location = await beginUpload(registry, 'app');
      await ask(registry, 'PATCH', location, { body: 'abc' });
      expect((await ask(registry, 'DELETE', location)).status).to.equal(204);
      for (const method of ['GET', 'PATCH', 'PUT', 'DELETE']) {
        const path = method === 'PUT' ? `${location}?digest=${UNKNOWN}` : location;
        const { status, codes } = await ask(registry, method, path);
        expect([status, codes()], method).to.deep.equal([404, ['BLOB_UPLOAD_UNKNOWN']]);
      }
    });

    it('belong to the repository where it began', async () => {
      const location = await beginUpload(registry, 'app');
      const { status, codes } = await ask(registry, 'GET', location.replace('/app/', '/other/'));
      expect([status, codes()]).to.deep.equal([404, ['BLOB_UPLOAD_UNKNOWN']]);
    });
  });

  describe('mounted', () => {
    it('from another repository are there without an upload', async () => {
      const digest = await putBlob(registry, 'source', 'mounted');
      const { status, headers } = await ask(
        registry,
        'POST',
        `/v2/target/blobs/uploads/?mount=${digest}&from=source`,
      );
      expect([status, headers.get('docker-content-digest')]).to.deep.equal([201, digest]);
      await expectBlob('target', 'mounted');
    });

    it('from a repository that lacks them begin an upload instead', async () => {
      const digest = await putBlob(registry, 'source', 'not in other');
      for (const query of [
        `mount=${digest}&from=other`,
        `mount=${digest}&from=../source`,
        `mount=${UNKNOWN}&from=source`,
        'mount=x',
      ]) {
        const { status, headers } = await ask(registry, 'POST', `/v2/target2/blobs/uploads/?${query}`);
        expect([status, headers.get('location')?.slice(0, 26)], query).to.deep.equal([
          202,
          '/v2/target2/blobs/uploads/',
        ]);
      }
      await expectNoBlob('target2', digest);
    });
  });

  describe('deleted', () => {
    it('are gone there, and stay where else they are', async () => {
      const digest = await putBlob(registry, 'first', 'in two places');
      await putBlob(registry, 'second', 'in two places');
      expect((await ask(registry, 'DELETE', `/v2/first/blobs/${digest}`)).status).to.equal(202);
      await expectNoBlob('first', digest);
      await expectBlob('second', 'in two places');
      const again = await ask(registry, 'DELETE', `/v2/first/blobs/${digest}`);
      expect([again.status, again.codes()]).to.deep.equal([404, ['BLOB_UNKNOWN']]);
    });
  });

  describe('pulled', () => {
    const bytes = randomBytes(5000);
    let path = '';
    before(async () => {
      path = `/v2/ranges/blobs/${await putBlob(registry, 'ranges', bytes)}`;
    });

    it('in part give that part', async () => {
      for (const [range, start, end] of [
        ['0-0', 0, 1],
        ['1000-1999', 1000, 2000],
        ['4000-', 4000, 5000],
        ['-7', 4993, 5000],
      ] as const) {
        const part = await ask(registry, 'GET', path, { headers: { range: `bytes=${range}` } });
        expect(part.status).to.equal(206);
        expect(part.headers.get('content-range')).to.equal(`bytes ${start}-${end - 1}/5000`);
        expect(part.bytes.equals(bytes.subarray(start, end)), range).to.equal(true);
      }
    });

    it('from behind their end are answered 416 with their size', async () => {
      const { status, headers } = await ask(registry, 'GET', path, { headers: { range: 'bytes=5000-' } });
      expect([status, headers.get('content-range')]).to.deep.equal([416, 'bytes */5000']);
    });

    it('again are answered 304 to who has them, and whole to who had something else', async () => {
      const etag = `"${digestOf(bytes)}"`;
      expect((await ask(registry, 'GET', path, { headers: { 'if-none-match': etag } })).status).to.equal(304);
      const other = await ask(registry, 'GET', path, {
        headers: { range: 'bytes=0-1', 'if-range': '"other"' },
      });
      expect([other.status, other.bytes.length]).to.deep.equal([200, 5000]);
      const same = await ask(registry, 'GET', path, { headers: { range: 'bytes=0-1', 'if-range': etag } });
      expect(same.status).to.equal(206);
    });

    it('that are not there are BLOB_UNKNOWN, with the digest as detail', async () => {
      const { status, json } = await ask(registry, 'GET', `/v2/ranges/blobs/${UNKNOWN}`);
      expect(status).to.equal(404);
      expect(json()).to.deep.equal({
        errors: [{ code: 'BLOB_UNKNOWN', message: 'blob unknown to registry', detail: UNKNOWN }],
      });
    });
  });
});

/** Sends a request that asks for the connection's end, as it is; gives the answer. */
async function sendRaw(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.write(text);
  let answer = '';
  for await (const chunk of socket.setEncoding('utf8')) answer += String(chunk);
  return answer;
}
