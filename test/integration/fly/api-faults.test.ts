import { expect } from 'chai';
import { DeployerError } from '../../../src/lib/errors.js';
import type { ReleaseOutcome } from '../../../src/targets/target.js';
import { APP, FlyEmulator, imageOf } from './fly-emulator.js';

type Failed = Extract<ReleaseOutcome, { error: unknown }>;

async function failureOf(work: Promise<unknown>): Promise<DeployerError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof DeployerError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

describe('a release on a Machines API that has its faults', () => {
  let fly: FlyEmulator;
  const UPDATE = { method: 'POST', pathPattern: `/v1/apps/${APP}/machines/*` };

  beforeEach(async () => {
    fly = await FlyEmulator.start();
  });
  afterEach(() => fly.stop());

  function expectEverywhere(image: string, machines: number): void {
    const there = fly.machines();
    expect(there).to.have.lengthOf(machines);
    for (const machine of there)
      expect(machine).to.deep.include({ state: 'started', image: imageOf(image).deployed, leased: false });
  }

  it('gets through a storm of 429, whatever way it says how long to wait', async () => {
    await fly.seed(2);
    const waits = ['2', 'soon', 'Wed, 21 Oct 2015 07:28:00 GMT'];
    for (const headers of waits.map((wait) => ({ 'retry-after': wait })))
      fly.fault({ match: UPDATE, answer: { status: 429, headers, body: { error: 'slow down' } }, times: 1 });
    fly.fault({
      match: { method: 'GET' },
      answer: { status: 429, headers: { 'retry-after': '1' } },
      times: 4,
    });
    await fly.succeed('new');
    expectEverywhere('new', 2);
  });

  it('keeps within the rates by itself: hardly a request is refused', async () => {
    // Slow enough for what a request's way takes to be small against a second.
    await fly.stop();
    fly = await FlyEmulator.start({ speed: 8 });
    const statuses: (number | undefined)[] = [];
    fly.trace = ({ status }) => statuses.push(status);
    const signal = new AbortController().signal;
    await fly.seed(1);
    await Promise.all(Array.from({ length: 10 }, () => fly.target.inspect(APP, signal)));
    expect(statuses.length).to.be.greaterThan(25);
    expect(statuses.filter((status) => status === 429).length).to.be.lessThan(3);
  });

  it('says so when the API refuses for too many requests and goes on refusing; nothing is changed', async () => {
    await fly.seed(1);
    fly.fault({ match: UPDATE, answer: { status: 429, headers: { 'retry-after': '3600' } } });
    const error = await failureOf(fly.deploy('new'));
    expect(error).to.include({ code: 'api_rate_limited', exit: 12 });
    expectEverywhere('old', 1);
  });

  it('updates a machine once, however often the answer is lost: the machine itself is asked', async () => {
    const [id] = await fly.seed(1);
    fly.fault({ match: { ...UPDATE, nth: 1 }, answer: { drop: 'after' } });
    await fly.succeed('new');
    const versions = (await fly.api('GET', `/machines/${id}/versions`)) as unknown[];
    expect(versions).to.have.lengthOf(2);
    expectEverywhere('new', 1);
  });

  it('tries an update again that never arrived', async () => {
    await fly.seed(1);
    fly.fault({ match: { ...UPDATE, nth: 1 }, answer: { drop: true } });
    fly.fault({ match: { ...UPDATE, nth: 2 }, answer: { status: 500, body: { error: 'internal' } } });
    await fly.succeed('new');
    expectEverywhere('new', 1);
  });

  it('undoes the release when an update keeps failing with 500', async () => {
    const ids = await fly.seed(3);
    const pathPattern = `/v1/apps/${APP}/machines/${ids[1]}`;
    const headers = { 'fly-request-id': 'REQ-42' };
    const answer = { status: 500, headers, body: { error: 'internal: flyd is gone' } };
    fly.fault({ match: { method: 'POST', pathPattern }, answer, times: 3 });
    const { outcome } = await fly.deploy('new');
    expect(outcome.status).to.equal('rolled-back');
    const { error } = outcome as Failed;
    expect(error.message).to.include('the Machines API failed (500): internal: flyd is gone');
    expect(error.evidence).to.include('fly-request-id: REQ-42');
    expectEverywhere('old', 3);
  });

  for (const [when, begins] of [
    ['while a machine is waited for', '0/1 checks pass'],
    ['while all are watched', ': checks pass'],
  ] as const)
    it(`says every half minute that it waits when the API is gone ${when}`, async () => {
      await fly.seed(1);
      let state: 'there' | 'gone' | 'back' = 'there';
      fly.refused = () => state === 'gone';
      fly.fault({ match: { imageDigest: imageOf('new').digest }, effect: { checks: { passAfterMs: 3000 } } });
      const { outcome, events } = await fly.deploy('new', {
        config: { waitTimeoutMs: 100_000, minHealthyMs: 10_000 },
        onEvent: (event) => {
          if (event.type === 'failed') state = 'back';
          if (state === 'there' && 'message' in event && event.message.includes(begins)) state = 'gone';
        },
      });
      expect(outcome.status).to.equal('rolled-back');
      const failed = events.findIndex(({ type }) => type === 'failed');
      const lines = events.slice(0, failed).flatMap((event) => (event.type === 'log' ? [event.message] : []));
      const told = lines.filter((line) => /still waiting .*the Machines API has not answered for/.test(line));
      expect(told.length, lines.join('\n')).to.be.within(2, 4);
    });

  it('undoes the release when a later machine is refused, in the words of the API', async () => {
    const ids = await fly.seed(2);
    const pathPattern = `/v1/apps/${APP}/machines/${ids[1]}`;
    const answer = { status: 422, body: { error: 'invalid_argument: guest is too large' } };
    fly.fault({ match: { method: 'POST', pathPattern }, answer });
    const { outcome } = await fly.deploy('new');
    expect(outcome.status).to.equal('rolled-back');
    expect((outcome as Failed).error.message).to.include('invalid_argument: guest is too large');
    expectEverywhere('old', 2);
  });

  it('fails with the refusal itself when the first machine is refused: nothing was changed', async () => {
    await fly.seed(2);
    const answer = { status: 400, body: { error: 'invalid config: \u001b[31mservices' } };
    fly.fault({ match: UPDATE, answer });
    const error = await failureOf(fly.deploy('new'));
    expect(error).to.include({ code: 'api_rejected', exit: 2 });
    expect(error.message).to.equal(
      'the Machines API rejected the request (400): invalid config: [31mservices',
    );
    expect(error.evidence[0]).to.match(/^POST http:\/\/127\.0\.0\.1:\d+\/v1\/apps\/shop\/machines\/\w+: 400/);
    expectEverywhere('old', 2);
  });

  it('waits out answers that come late, and waits out an API that is down while a machine is being watched', async () => {
    const [id] = await fly.seed(1);
    fly.fault({ match: { ...UPDATE, nth: 1 }, answer: { delayMs: 20_000 } });
    fly.fault({
      match: { method: 'GET', pathPattern: `/v1/apps/${APP}/machines/${id}` },
      answer: { status: 503 },
      times: 12,
    });
    await fly.succeed('new');
    expectEverywhere('new', 1);
  });

  it('says that the API was down when time runs out meanwhile', async () => {
    const [id] = await fly.seed(1);
    const pathPattern = `/v1/apps/${APP}/machines/${id}`;
    fly.fault({ match: { ...UPDATE, nth: 1 }, answer: { delayMs: 1 } });
    const { outcome } = await fly.deploy('new', {
      config: { waitTimeoutMs: 20_000 },
      onEvent: (event) => {
        if (event.type === 'progress' && event.message.includes('waiting for the machine'))
          fly.fault({
            match: { method: 'GET', pathPattern },
            answer: { status: 503, body: { error: 'no' } },
            times: 25,
          });
      },
    });
    expect(outcome.status).to.be.oneOf(['rolled-back', 'failed']);
    expect((outcome as Failed).error.message).to.include('timed out after 20.0s');
    expect((outcome as Failed).error.evidence.join('\n')).to.include(`${pathPattern}: 503 no`);
  });

  it('asks again for a machine that the API does not know yet right after it made it', async () => {
    fly.fault({
      match: { method: 'POST', pathPattern: '/v1/**/lease' },
      answer: { status: 404, body: { error: 'machine not found' } },
      times: 2,
    });
    fly.fault({ match: { method: 'GET', pathPattern: '/v1/**/wait' }, answer: { status: 404 }, times: 2 });
    fly.fault({
      match: { method: 'GET', pathPattern: `/v1/apps/${APP}/machines/*` },
      answer: { status: 404 },
      times: 2,
    });
    await fly.succeed('old');
  });

  it('creates a machine once, however the answer is lost', async () => {
    fly.fault({
      match: { method: 'POST', pathPattern: `/v1/apps/${APP}/machines`, nth: 1 },
      answer: { drop: 'after' },
    });
    await fly.succeed('old');
    expectEverywhere('old', 1);
  });

  it('finds and destroys a machine whose creation was answered with nothing but errors', async () => {
    const pathPattern = `/v1/apps/${APP}/machines`;
    fly.fault({ match: { method: 'POST', pathPattern, nth: 1 }, answer: { drop: 'after' } });
    // Nor can it be looked for just then.
    fly.fault({ match: { method: 'GET', pathPattern, nth: 1 }, answer: { status: 400 } });
    const { outcome } = await fly.deploy('old');
    expect(outcome.status).to.equal('rolled-back');
    await fly.clock.sleep(1000);
    expect(fly.machines()).to.be.empty;
  });

  describe('refuses', () => {
    it('a token that the API does not take, naming where it came from', async () => {
      const error = await failureOf(
        fly.targetWith('Bearer fo1_of-no-use').inspect(APP, new AbortController().signal),
      );
      expect(error).to.include({ code: 'api_unauthorized', exit: 4 });
      expect(error.message).to.include('FLY_API_TOKEN');
      expect(JSON.stringify(error.toDocument())).to.not.include('of-no-use');
    });

    it('what the token may not do', async () => {
      fly.fault({
        match: { pathPattern: `/v1/apps/${APP}` },
        answer: { status: 403, body: { error: 'no' } },
      });
      const error = await failureOf(fly.deploy('new'));
      expect(error).to.include({ code: 'api_denied', exit: 4 });
    });

    it('an answer that is no answer of this API: a page of some proxy', async () => {
      fly.fault({
        match: { pathPattern: `/v1/apps/${APP}` },
        answer: { status: 200, body: '<html>login</html>' },
      });
      const error = await failureOf(fly.deploy('new'));
      expect(error).to.include({ code: 'api_unavailable', exit: 12 });
      expect(error.suggestions[0]).to.include('--api-url');
    });
  });
});
