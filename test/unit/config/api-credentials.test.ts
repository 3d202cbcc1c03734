import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { apiCredentials, type ApiFlags } from '../../../src/config/api-credentials.js';
import { DeployerError } from '../../../src/lib/errors.js';
import { makeTempFolder, type TempFolder } from '../../support/temp-folder.js';

const TOKEN = 'the-token-of-the-test';

describe('The credentials for the deploy API', () => {
  let folder: TempFolder;
  let secrets: string[];

  beforeEach(async () => {
    folder = await makeTempFolder('credentials');
    secrets = [];
  });
  afterEach(() => folder.remove());

  const credentials = (flags: ApiFlags, env: Record<string, string>) =>
    apiCredentials({ flags, env, cwd: folder.path, keepSecret: (secret) => secrets.push(secret) });

  async function refusal(flags: ApiFlags, env: Record<string, string> = { FLY_API_TOKEN: TOKEN }) {
    const error = await credentials(flags, env).then(
      () => expect.fail('it was taken'),
      (thrown: unknown) => thrown,
    );
    expect(error).to.be.instanceOf(DeployerError);
    return error as DeployerError;
  }

  it("go to Fly's API unless a flag or a variable names another, the flag first", async () => {
    const env = { FLY_API_TOKEN: TOKEN };
    expect((await credentials({}, env)).url).to.equal('https://api.machines.dev');
    const fly = { ...env, FLY_FLAPS_BASE_URL: 'https://fly.test/' };
    expect((await credentials({}, fly)).url).to.equal('https://fly.test');
    const own = { ...fly, DEPLOYER_API_URL: 'http://127.0.0.1:4280' };
    expect((await credentials({}, own)).url).to.equal('http://127.0.0.1:4280');
    expect((await credentials({ 'api-url': 'http://[::1]:99/base//' }, own)).url).to.equal(
      'http://[::1]:99/base',
    );
  });

  it('are read from --token-file, then DEPLOYER_API_TOKEN, FLY_ACCESS_TOKEN, FLY_API_TOKEN', async () => {
    await writeFile(join(folder.path, 'token'), 'from-file\n');
    const env = { FLY_API_TOKEN: 'third', FLY_ACCESS_TOKEN: 'second', DEPLOYER_API_TOKEN: 'first' };
    const header = async (flags: ApiFlags, variables: Record<string, string>) =>
      (await credentials(flags, variables)).authorization;
    expect(await header({ 'token-file': 'token' }, env)).to.equal('Bearer from-file');
    expect(await header({}, env)).to.equal('Bearer first');
    expect(await header({}, { ...env, DEPLOYER_API_TOKEN: ' ' })).to.equal('Bearer second');
    expect(await header({}, { FLY_API_TOKEN: 'third' })).to.equal('Bearer third');
    expect(secrets).to.deep.equal(['from-file', 'first', 'second', 'third']);
  });

  it('go unencrypted to this machine alone, by each of its names', async () => {
    const env = { FLY_API_TOKEN: TOKEN };
    for (const host of ['localhost', 'api.localhost:4280', '127.9.9.9', '[::1]:1', '[::ffff:127.0.0.1]']) {
      const asked = new URL(`http://${host}`);
      expect((await credentials({ 'api-url': asked.href }, env)).url).to.equal(asked.origin);
    }
    for (const host of ['localhost.example.com', '10.0.0.1', 'notlocalhost']) {
      const { message } = await refusal({ 'api-url': `http://${host}` });
      expect(message).to.match(/the token would go to .* unencrypted/);
    }
  });

  it('are sent as FlyV1 when they are macaroons, with or without the scheme in front', async () => {
    for (const [token, header] of [
      ['fm2_abc,fm2_def', 'FlyV1 fm2_abc,fm2_def'],
      ['FlyV1 fm1r_abc', 'FlyV1 fm1r_abc'],
      ['Bearer fo1_abc', 'Bearer fo1_abc'],
      ['fo1_abc', 'Bearer fo1_abc'],
    ] as const) {
      expect((await credentials({}, { FLY_API_TOKEN: token })).authorization).to.equal(header);
    }
  });

  it('that are missing are api_unauthorized, with the ways to give them', async () => {
    const error = await refusal({}, {});
    expect(error).to.include({ code: 'api_unauthorized', exit: 4 });
    expect(error.evidence.join()).to.include('DEPLOYER_API_TOKEN, FLY_ACCESS_TOKEN, FLY_API_TOKEN');
    expect(error.suggestions.join()).to.include('--token-file FILE');
  });

  it('are not sent unencrypted to another machine', async () => {
    for (const url of [
      'http://api.test',
      'http://10.0.0.1',
      'http://127.0.0.1.api.test',
      'http://localhost.test',
    ]) {
      const error = await refusal({ 'api-url': url });
      expect(error.code).to.equal('usage');
      expect(error.message).to.match(/^--api-url: the token would go to \S+ unencrypted/);
      expect(error.suggestions).to.deep.equal([url.replace('http:', 'write https:')]);
    }
    await credentials({ 'api-url': 'http://localhost:1' }, { FLY_API_TOKEN: TOKEN });
  });

  it('are refused with the flag or variable at fault, and without what stood there', async () => {
    const byUrl = (url: string) => refusal({}, { DEPLOYER_API_URL: url, FLY_API_TOKEN: TOKEN });
    for (const [url, message] of [
      ['api.test', /^DEPLOYER_API_URL: the API is named by a URL that begins with https:/],
      ['ftp://user:hunter2@api.test', /^DEPLOYER_API_URL: the API is named by a URL/],
      ['https://user:hunter2@api.test', /^DEPLOYER_API_URL: a URL must not hold credentials/],
      ['https://api.test/?token=hunter2', /^DEPLOYER_API_URL: the URL of an API has no query/],
    ] as const) {
      const error = await byUrl(url);
      expect(error.code).to.equal('usage');
      expect(error.message).to.match(message);
      expect(JSON.stringify(error.toDocument())).not.to.include('hunter2');
    }
    const twoWords = await refusal({}, { FLY_ACCESS_TOKEN: 'hunter2\r\nX-Evil: 1' });
    expect(twoWords.message).to.equal('FLY_ACCESS_TOKEN: a token is one word of printable characters');
  });

  it('that lack their scheme alone are told with the one that fits', async () => {
    for (const [url, mend] of [
      ['127.0.0.1:24280', 'write http://127.0.0.1:24280'],
      ['localhost:4280', 'write http://localhost:4280'],
      ['api.test', 'write https://api.test'],
      ['user:hunter2@api.test', 'for example https://api.machines.dev'],
    ] as const)
      expect((await refusal({ 'api-url': url }, { FLY_API_TOKEN: TOKEN })).suggestions).to.deep.equal([mend]);
  });

  it('in a file that is missing or empty are refused by the flag', async () => {
    expect((await refusal({ 'token-file': 'nope' })).message).to.match(
      /^--token-file nope can't be read: ENOENT/,
    );
    await writeFile(join(folder.path, 'empty'), '\n');
    expect((await refusal({ 'token-file': 'empty' })).message).to.match(/^--token-file: .*empty is empty$/);
  });
});
