import { Readable } from 'node:stream';
import { expect } from 'chai';
import fc from 'fast-check';
import type { HttpResponse } from '../../../src/http/client.js';
import { parseRetryAfter, retryPolicy, withRetry } from '../../../src/http/retry.js';
import { DeployerError, type ErrorCode } from '../../../src/lib/errors.js';
import { failureOf } from '../../support/failure.js';
import { SimulatedClock } from '../../support/simulated-clock.js';

type Outcome = number | ErrorCode | { readonly status: number; readonly retryAfter: string };

interface Run {
  readonly clock: SimulatedClock;
  /** Statuses whose body was let go. */
  readonly discarded: number[];
  readonly said: string[];
  sent: number;
}

/** Sends into a world that answers with these outcomes, one after the other. */
function attempt(outcomes: readonly Outcome[], signal?: AbortSignal) {
  const run: Run = { clock: new SimulatedClock(), discarded: [], said: [], sent: 0 };
  const policy = retryPolicy(run.clock, { random: () => 1 });
  const answer = withRetry(
    policy,
    () => {
      const outcome = outcomes[run.sent];
      run.sent += 1;
      if (outcome === undefined) throw new Error('asked more often than foreseen');
      return typeof outcome === 'string'
        ? Promise.reject(new DeployerError(outcome, `met ${outcome}`))
        : Promise.resolve(respond(outcome, run.discarded));
    },
    { onRetry: (why, pauseMs) => run.said.push(`${why} ${pauseMs}`), ...(signal ? { signal } : {}) },
  );
  return { answer, run };
}

function respond(outcome: Exclude<Outcome, string>, discarded: number[]): HttpResponse {
  const status = typeof outcome === 'number' ? outcome : outcome.status;
  return {
    status,
    headers: typeof outcome === 'number' ? {} : { 'retry-after': outcome.retryAfter },
    url: new URL('https://registry.test/'),
    chunks: () => Readable.from([]),
    bytes: () => Promise.resolve(Buffer.alloc(0)),
    start: () => Promise.resolve(Buffer.alloc(0)),
    text: () => Promise.resolve(''),
    discard: () => {
      discarded.push(status);
      return Promise.resolve();
    },
  };
}

describe('A request that is safe to repeat', () => {
  it('is sent once when it is answered, even by a refusal', async () => {
    for (const status of [200, 206, 307, 400, 401, 403, 404, 405, 501]) {
      const { answer, run } = attempt([status]);
      expect((await answer).status).to.equal(status);
      expect([run.sent, run.clock.slept]).to.deep.equal([1, []]);
    }
  });

  it('is repeated after what passes, each pause twice the last, the old answer let go', async () => {
    const { answer, run } = attempt([500, 502, 'connection_lost', 200]);
    expect((await answer).status).to.equal(200);
    expect(run.clock.slept).to.deep.equal([250, 500, 1000]);
    expect(run.discarded).to.deep.equal([500, 502]);
    expect(run.said).to.deep.equal([
      'registry.test answered 500 250',
      'registry.test answered 502 500',
      'met connection_lost 1000',
    ]);
  });

  it('gets its last answer back, unread, after four tries', async () => {
    for (const status of [408, 429, 500, 502, 503, 504]) {
      const { answer, run } = attempt([status, status, status, status]);
      expect((await answer).status).to.equal(status);
      expect([run.sent, run.discarded.length]).to.deep.equal([4, 3]);
    }
  });

  it('ends with its last error after four tries, and at once with one that stays', async () => {
    const lost = attempt([
      'connection_lost',
      'connection_timed_out',
      'connection_lost',
      'connection_timed_out',
    ]);
    expect((await failureOf(() => lost.answer)).code).to.equal('connection_timed_out');
    for (const code of [
      'dns_failed',
      'tls_failed',
      'connection_refused',
      'proxy_failed',
      'interrupted',
    ] as const) {
      const { answer, run } = attempt([code]);
      expect((await failureOf(() => answer)).code).to.equal(code);
      expect([run.sent, run.clock.slept]).to.deep.equal([1, []]);
    }
  });

  it('waits as long as Retry-After asks: seconds, or until a date', async () => {
    const date = new Date(Date.UTC(2026, 0, 1, 0, 0, 20)).toUTCString();
    const { answer, run } = attempt([
      { status: 429, retryAfter: '7' },
      { status: 503, retryAfter: date },
      200,
    ]);
    expect((await answer).status).to.equal(200);
    expect(run.clock.slept).to.deep.equal([7000, 13_000]);
  });

  it('is not repeated when Retry-After asks for more than is worth waiting', async () => {
    for (const retryAfter of [
      '31',
      '3600',
      '99999999999999999999',
      new Date(Date.UTC(2027, 0, 1)).toUTCString(),
    ]) {
      const { answer, run } = attempt([{ status: 429, retryAfter }]);
      const response = await answer;
      expect([response.status, response.headers['retry-after'], run.sent]).to.deep.equal([
        429,
        retryAfter,
        1,
      ]);
      expect(run.discarded, 'its body is still to be read').to.deep.equal([]);
    }
  });

  it('pauses with jitter between half and all of the step, and never longer than the longest', async () => {
    for (const [random, slept] of [
      [0, 2000],
      [1, 4000],
    ] as const) {
      const clock = new SimulatedClock();
      const policy = retryPolicy(clock, { random: () => random, tries: 3, baseMs: 4000, longestMs: 5000 });
      await withRetry(policy, () => Promise.resolve(respond(503, [])));
      expect(clock.slept[0]).to.equal(slept);
      expect(Math.max(...clock.slept)).to.be.at.most(5000);
    }
  });

  it('stops waiting when it is called off', async () => {
    const controller = new AbortController();
    const { answer, run } = attempt([503, 200], controller.signal);
    controller.abort(new DeployerError('interrupted', 'Ctrl-C'));
    expect((await failureOf(() => answer)).code).to.equal('interrupted');
    expect(run.sent).to.equal(1);
  });

  it('does not hide a bug: what is no DeployerError goes through', async () => {
    const clock = new SimulatedClock();
    const bug = new TypeError('undefined is not a function');
    const outcome = await withRetry(retryPolicy(clock), () => Promise.reject(bug)).catch(
      (error: unknown) => error,
    );
    expect(outcome).to.equal(bug);
    expect(clock.slept).to.deep.equal([]);
  });
});

describe('Retry-After', () => {
  const now = Date.UTC(2026, 0, 1);

  it('is seconds or an HTTP date, which may have passed', () => {
    expect(parseRetryAfter('0', now)).to.equal(0);
    expect(parseRetryAfter(' 120 ', now)).to.equal(120_000);
    expect(parseRetryAfter('Thu, 01 Jan 2026 00:01:00 GMT', now)).to.equal(60_000);
    expect(parseRetryAfter('Thursday, 01-Jan-26 00:01:00 GMT', now)).to.equal(60_000);
    expect(parseRetryAfter('Wed, 31 Dec 2025 00:00:00 GMT', now)).to.equal(0);
  });

  it("that can't be read is none", () => {
    for (const rubbish of [
      undefined,
      '',
      'soon',
      '-5',
      '1.5',
      '5s',
      '1e3',
      '2026-02-01',
      'Thu, 99 Xyz 2026',
      '\u0000',
    ]) {
      expect(parseRetryAfter(rubbish, now), String(rubbish)).to.equal(undefined);
    }
  });

  it('of any text is undefined or a time from now on', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.date().map(String), fc.double().map(String)), (text) => {
        const pause = parseRetryAfter(text, now);
        expect(pause === undefined || pause >= 0).to.equal(true);
      }),
    );
  });
});
