import { expect } from 'chai';
import {
  htmlPage,
  rateLimited,
  redirect,
  startHostileServer,
  type Answer,
} from '../../support/hostile-server.js';

describe('the hostile server', () => {
  const outcome = async (answer: Answer): Promise<string> => {
    await using server = await startHostileServer(() => answer);
    try {
      const response = await fetch(server.url, { redirect: 'manual', signal: AbortSignal.timeout(300) });
      return `${response.status}, ${(await response.text()).length} bytes`;
    } catch (error) {
      const cause = (error as { cause?: { code?: string } }).cause;
      return cause?.code ?? (error as Error).name;
    }
  };

  it('answers, redirects, rate-limits', async () => {
    expect(await outcome({ status: 503, body: 'down' })).to.equal('503, 4 bytes');
    expect(await outcome(htmlPage())).to.match(/^200, /);
    expect(await outcome(redirect('http://127.0.0.1:9/'))).to.equal('307, 0 bytes');
    expect(await outcome(rateLimited('3'))).to.match(/^429, /);
    expect(await outcome({ padBytes: 5_000_000 })).to.equal('200, 5000000 bytes');
  });

  it('breaks connections, cuts bodies, stays silent, talks nonsense', async () => {
    expect(await outcome({ then: 'reset' })).to.equal('ECONNRESET');
    expect(await outcome({ body: '0123456789', cutAfterBytes: 4 })).to.equal('UND_ERR_SOCKET');
    expect(await outcome({ then: 'silent' })).to.equal('TimeoutError');
    expect(await outcome({ raw: 'SSH-2.0-OpenSSH_9.2\r\n' })).to.match(/^HPE_/);
  });

  it('records each request, and counts them for its script', async () => {
    await using server = await startHostileServer((_, count) =>
      count === 1 ? { status: 500 } : { body: 'ok' },
    );
    await fetch(`${server.url}/a`, { headers: { authorization: 'Bearer x' } });
    const second = await fetch(`${server.url}/b`, { method: 'POST', body: 'hello' });
    expect(await second.text()).to.equal('ok');
    expect(
      server.requests.map(({ method, url, headers, body }) => [
        method,
        url,
        headers['authorization'],
        String(body),
      ]),
    ).to.deep.equal([
      ['GET', '/a', 'Bearer x', ''],
      ['POST', '/b', undefined, 'hello'],
    ]);
  });
});
