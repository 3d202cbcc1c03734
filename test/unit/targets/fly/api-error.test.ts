import { expect } from 'chai';
import { apiError, type ApiAnswer } from '../../../../src/targets/fly/api-error.js';
import { apiBase } from '../../../../src/targets/fly/api-transport.js';

const ASKED = 'POST https://api.machines.dev/v1/apps/shop/machines';

function answer(status: number, body: string, headers: Record<string, string> = {}): ApiAnswer {
  return { status, body, headers, asked: ASKED };
}

describe('a refusal of the Machines API', () => {
  const cases: [number, string, string, number][] = [
    [400, '{"error":"invalid config"}', 'api_rejected', 2],
    [401, '{"error":"unauthenticated"}', 'api_unauthorized', 4],
    [403, '{"error":"denied"}', 'api_denied', 4],
    [404, '{"error":"app not found"}', 'app_not_found', 3],
    [408, '{"error":"upstream is slow"}', 'api_unavailable', 12],
    [409, '{"status":"error","message":"lease currently held by x"}', 'api_conflict', 10],
    [412, '{"error":"machine has another version"}', 'api_conflict', 10],
    [422, '{"error":"guest is too large"}', 'api_rejected', 2],
    [422, '{"error":"no","status":"insufficient_capacity"}', 'insufficient_capacity', 12],
    [409, '{"error":"no","status":"insufficient_capacity"}', 'insufficient_capacity', 12],
    [429, '{"error":"slow down"}', 'api_rate_limited', 12],
    [503, 'no healthy upstream', 'api_unavailable', 12],
  ];
  for (const [asked, body] of [
    ['POST http://127.0.0.1:5001/v1/apps', '{"error":"not found"}'],
    ['GET http://127.0.0.1:5001/v1/apps/shop', '<h1>404 page not found</h1>'],
    ['GET http://127.0.0.1:5001/v1/apps/shop', '{"errors":[{"code":"NAME_UNKNOWN"}]}'],
  ] as const)
    it(`of 404 is no missing app where no Machines API answers: ${asked.slice(0, 4)} ${body}`, () => {
      const error = apiError({ ...answer(404, body), asked }, 'FLY_API_TOKEN');
      expect(error).to.include({ code: 'not_an_api', exit: 12 });
      expect(error.message).to.contain('no Machines API answers there');
      expect(error.suggestions[0]).to.contain('--api-url');
    });

  for (const [status, body, code, exit] of cases)
    it(`of ${status} is ${code}, in its own words`, () => {
      const error = apiError(answer(status, body), 'FLY_API_TOKEN');
      expect(error).to.include({ code, exit });
      const words = /"(?:error|message)":"(?!error)([^"]+)"/.exec(body)?.[1] ?? body;
      expect(error.message.endsWith(`: ${words}`), error.message).to.equal(true);
      expect(error.evidence[0]).to.equal(`${ASKED}: ${status} ${words}`);
      expect(error.suggestions).to.not.be.empty;
    });

  it('of a machine that is gone is a conflict with who destroyed it', () => {
    const asked = `${ASKED}/e784`;
    const error = apiError({ ...answer(404, '{"error":"machine not found"}'), asked }, undefined);
    expect(error).to.include({ code: 'api_conflict', exit: 10 });
  });

  it('names where the token came from, and gives the id that support asks for', () => {
    const error = apiError(answer(401, '{}', { 'fly-request-id': '01ABC-fra' }), '--token-file');
    expect(error.message).to.include('--token-file');
    expect(error.evidence).to.include('fly-request-id: 01ABC-fra');
  });

  it("sends to fly's own commands, and where the API is on this machine to what the emulator has", () => {
    const told = (asked: string): string[] =>
      [
        answer(401, '{}'),
        answer(403, '{"error":"denied"}'),
        answer(404, '{"error":"app not found"}'),
        answer(500, 'oops'),
      ].flatMap((each) => apiError({ ...each, asked }, 'FLY_API_TOKEN').suggestions);
    const fly = told('GET https://api.machines.dev/v1/apps/shop').join('\n');
    for (const command of [
      'fly tokens create deploy',
      'fly tokens list',
      'fly apps list',
      'status.flyio.net',
    ])
      expect(fly).to.contain(command);
    const local = told('GET http://127.0.0.1:4280/v1/apps/shop').join('\n');
    expect(local).to.contain('deployer emulator start prints the line for it');
    expect(local).not.to.match(/fly (?:tokens|apps)|flyio/);
  });

  it('names the place where the refused token came from: --token-file goes before what is set beside it', () => {
    const told = (asked: string): string =>
      apiError({ ...answer(401, '{}'), asked }, '--token-file').suggestions.join();
    expect(told('GET http://127.0.0.1:4280/v1/apps/shop')).to.match(/^name the file .*: --token-file FILE/);
    expect(told('GET https://api.machines.dev/v1/apps/shop')).to.match(/ into the file of --token-file /);
    for (const asked of ['GET http://127.0.0.1:4280/v1', 'GET https://api.machines.dev/v1'])
      expect(told(asked)).not.to.include('DEPLOYER_API_TOKEN');
  });

  it('says where there is room when a region is full', () => {
    const error = apiError(answer(422, '{"error":"no","status":"insufficient_capacity"}'), undefined);
    expect(error.suggestions[0]).to.include('primary_region');
  });

  it('is one printable line, whatever a proxy sends', () => {
    const page = `<html><script>${'x'.repeat(1000)}</script>\u001b[31m</html>`;
    const error = apiError(answer(502, page), undefined);
    expect(error.message).to.match(/^[\x20-\x7e…]{1,200}$/);
  });
});

describe('the base of the API', () => {
  for (const url of ['https://api.machines.dev', 'https://api.machines.dev/', 'https://api.machines.dev/v1/'])
    it(`is the same however it is written: ${url}`, () => {
      expect(apiBase(url)).to.equal('https://api.machines.dev/v1');
    });
});
