import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { askHelper, type HelperAnswer } from '../../../../src/registry/credentials/credential-helper.js';
import { writeHelpers } from '../../../support/credential-helpers.js';
import { makeTempFolder, type TempFolder } from '../../../support/temp-folder.js';

const SECRET = 'hunter2-secret';

describe('A credential helper', () => {
  let folder: TempFolder;
  let PATH = '';
  before(async () => {
    folder = await makeTempFolder('helpers');
    PATH = await writeHelpers(folder.path, {
      fine: `printf '{"ServerURL":"%s","Username":"me at %s","Secret":"${SECRET}"}' "$server" "$server"`,
      token: `echo '{"ServerURL":"x","Username":"<token>","Secret":"${SECRET}"}'`,
      empty: `echo '{"Username":"","Secret":""}'`,
      none: `echo 'credentials not found in native keychain'; exit 1`,
      fails: `echo 'error: ${SECRET}'; echo '${SECRET}' >&2; exit 3`,
      rubbish: `echo 'password: ${SECRET}'`,
      list: `echo '["${SECRET}"]'`,
      null: 'echo null',
      numbers: `echo '{"Username":5,"Secret":["${SECRET}"]}'`,
      hangs: 'exec sleep 600',
      huge: 'exec yes "0123456789"',
      deaf: `exec <&-; echo '{"Username":"me","Secret":"${SECRET}"}'`,
      environment: `echo "{\\"Username\\":\\"me\\",\\"Secret\\":\\"$HELPER_TEST\\"}"`,
    });
    await writeFile(join(folder.path, 'bin', 'docker-credential-closed'), '#!/bin/sh\n');
    await chmod(join(folder.path, 'bin', 'docker-credential-closed'), 0o644);
    await writeFile(join(folder.path, 'bin', 'docker-credential-no-shebang'), '\x7fELF?');
    await chmod(join(folder.path, 'bin', 'docker-credential-no-shebang'), 0o755);
  });
  after(() => folder.remove());

  const ask = (name: string, host = 'ghcr.io', timeoutMs = 5000): Promise<HelperAnswer> =>
    askHelper(name, host, { PATH, HELPER_TEST: SECRET }, timeoutMs);

  it('is given the server on stdin, and its user and secret are taken', async () => {
    expect(await ask('fine')).to.deep.equal({
      status: 'found',
      credential: {
        kind: 'password',
        username: 'me at ghcr.io',
        password: SECRET,
        source: 'docker-credential-fine',
      },
    });
    const hub = await ask('fine', 'docker.io');
    expect(hub).to.have.nested.property('credential.username', 'me at https://index.docker.io/v1/');
  });

  it('may answer with an identity token, with nothing, or that it knows nothing', async () => {
    expect(await ask('token')).to.deep.equal({
      status: 'found',
      credential: { kind: 'identity-token', token: SECRET, source: 'docker-credential-token' },
    });
    expect(await ask('empty')).to.deep.equal({ status: 'none' });
    expect(await ask('none')).to.deep.equal({ status: 'none' });
  });

  it('that does not read its input, or needs the environment, is served', async () => {
    expect((await ask('deaf')).status).to.equal('found');
    expect(await ask('environment')).to.have.nested.property('credential.password', SECRET);
  });

  const FAILURES: Readonly<Record<string, RegExp>> = {
    'not-there': /docker-credential-not-there is not installed/,
    closed: /docker-credential-closed can't be run \(EACCES\)/,
    'no-shebang': /docker-credential-no-shebang (can't be run|ended with exit code)/,
    fails: /ended with exit code 3/,
    rubbish: /printed something that is not JSON/,
    list: /printed no Username and Secret/,
    null: /printed no Username and Secret/,
    numbers: /printed no Username and Secret/,
    huge: /printed more than 65536 bytes/,
    '../fine': /the helper's name is no file name/,
    'a b': /the helper's name is no file name/,
    '': /the helper's name is no file name/,
  };
  for (const [name, why] of Object.entries(FAILURES)) {
    it(`(${name}) has failed: ${String(why)}, and what it printed is not passed on`, async () => {
      const answer = await ask(name);
      expect(answer.status).to.equal('failed');
      expect((answer as { reason: string }).reason).to.match(why);
      expect(JSON.stringify(answer)).not.to.contain(SECRET);
    });
  }

  it('that hangs is ended', async () => {
    expect(await ask('hangs', 'ghcr.io', 200)).to.deep.equal({
      status: 'failed',
      reason: 'docker-credential-hangs did not answer within 0.2 s',
    });
  });
});
