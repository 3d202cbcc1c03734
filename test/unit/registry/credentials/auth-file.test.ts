import { expect } from 'chai';
import { entryFor, helperFor, parseAuthFile } from '../../../../src/registry/credentials/auth-file.js';
import type { Credential } from '../../../../src/registry/credentials/credential.js';
import { thrownBy } from '../../../support/failure.js';

const SOURCE = '/home/me/.docker/config.json';
const base64 = (text: string): string => Buffer.from(text).toString('base64');

function find(auths: object, host: string, path = 'team/app'): Credential | undefined {
  return entryFor(parseAuthFile(JSON.stringify({ auths }), SOURCE), host, path);
}

/** `user:password` of what was found. */
function found(auths: object, host: string, path?: string): string | undefined {
  const credential = find(auths, host, path);
  return credential?.kind === 'password' ? `${credential.username}:${credential.password}` : credential?.kind;
}

describe("docker's config.json", () => {
  it('holds user and password in base64, the password with colons, or in the clear', () => {
    const credential = { kind: 'password', username: 'me', password: 'pä:ss', source: SOURCE };
    expect(find({ 'ghcr.io': { auth: base64('me:pä:ss') } }, 'ghcr.io')).to.deep.equal(credential);
    expect(find({ 'ghcr.io': { username: 'me', password: 'pä:ss' } }, 'ghcr.io')).to.deep.equal(credential);
    // docker pads what it writes with zeros at times.
    expect(find({ 'ghcr.io': { auth: base64('me:pä:ss\0\0') } }, 'ghcr.io')).to.deep.equal(credential);
  });

  it('may hold an identity token (beside a password that is none) or a registry token', () => {
    const acr = { auth: base64('00000000-0000-0000-0000-000000000000:'), identitytoken: 'refresh' };
    expect(find({ 'x.azurecr.io': acr }, 'x.azurecr.io')).to.deep.equal({
      kind: 'identity-token',
      token: 'refresh',
      username: '00000000-0000-0000-0000-000000000000',
      source: SOURCE,
    });
    expect(found({ 'ghcr.io': { registrytoken: 'jwt' } }, 'ghcr.io')).to.equal('registry-token');
  });

  it('holds nothing in an entry that only says who is logged in by a helper', () => {
    expect(find({ 'ghcr.io': {} }, 'ghcr.io')).to.equal(undefined);
    expect(find({ 'ghcr.io': { auth: '' } }, 'ghcr.io')).to.equal(undefined);
    expect(find({ 'ghcr.io': null }, 'ghcr.io')).to.equal(undefined);
    expect(find({ 'ghcr.io': { auth: 5 } }, 'ghcr.io')).to.equal(undefined);
  });

  it('is keyed by host and port, or by a URL of old versions', () => {
    const entry = { auth: base64('me:secret') };
    for (const key of [
      'ghcr.io',
      'https://ghcr.io',
      'http://ghcr.io/',
      'https://ghcr.io/v1/',
      'https://ghcr.io/v2/',
    ])
      expect(found({ [key]: entry }, 'ghcr.io'), key).to.equal('me:secret');
    for (const key of ['ghcr.io:443', 'xghcr.io', 'ghcr.io.evil.test', 'https://evil.test/ghcr.io', 'io'])
      expect(found({ [key]: entry }, 'ghcr.io'), key).to.equal(undefined);
    expect(found({ 'localhost:5000': entry }, 'localhost:5000')).to.equal('me:secret');
    expect(found({ 'localhost:5000': entry }, 'localhost')).to.equal(undefined);
  });

  it('knows Docker Hub by its URL of 2013 and by its names', () => {
    const entry = { auth: base64('me:secret') };
    for (const key of ['https://index.docker.io/v1/', 'index.docker.io', 'docker.io', 'registry-1.docker.io'])
      expect(found({ [key]: entry }, 'docker.io', 'library/alpine'), key).to.equal('me:secret');
  });

  it("may be podman's, with a repository's path: the longest that fits wins", () => {
    const auths = {
      'quay.io': { auth: base64('all:1') },
      'quay.io/team': { auth: base64('team:2') },
      'quay.io/team/app': { auth: base64('app:3') },
    };
    expect(found(auths, 'quay.io', 'other/app')).to.equal('all:1');
    expect(found(auths, 'quay.io', 'team/tool')).to.equal('team:2');
    expect(found(auths, 'quay.io', 'team/app')).to.equal('app:3');
    expect(found(auths, 'quay.io', 'team/app/part')).to.equal('app:3');
    expect(found(auths, 'quay.io', 'team/apps')).to.equal('team:2');
    expect(found(auths, 'quay.io', 'teams/app')).to.equal('all:1');
  });

  it('names a helper for a host before the general store', () => {
    const file = parseAuthFile(
      JSON.stringify({
        credsStore: 'desktop',
        credHelpers: { 'ghcr.io': 'gh', 'https://index.docker.io/v1/': 'hub' },
      }),
      SOURCE,
    );
    expect(helperFor(file, 'ghcr.io')).to.equal('gh');
    expect(helperFor(file, 'docker.io')).to.equal('hub');
    expect(helperFor(file, 'quay.io')).to.equal('desktop');
    expect(helperFor(parseAuthFile('{}', SOURCE), 'quay.io')).to.equal(undefined);
    const odd = parseAuthFile('{"credsStore":5,"credHelpers":{"ghcr.io":["x"]}}', SOURCE);
    expect(helperFor(odd, 'ghcr.io')).to.equal(undefined);
  });

  it('is readable whatever else it holds', () => {
    for (const text of ['{}', '{"auths":null}', '{"auths":[]}', '{"auths":"x","credHelpers":5}']) {
      expect(entryFor(parseAuthFile(text, SOURCE), 'ghcr.io', 'a')).to.equal(undefined);
    }
  });

  const BROKEN: Readonly<Record<string, string>> = {
    [`{\n "auths": {\n  "ghcr.io": { "auth": hunter2 }\n }\n}`]: ':3',
    [`{\n "auths": {\n  "ghcr.io": { "password": "hunter2" "x": 1 }\n }\n}`]: ':3',
    [`{\n "auths": {\n  "ghcr.io": { "password": "hunter2",\n }\n }\n}`]: ':4',
    [`{\n "auths": {\n  "ghcr.io": { "password": "hunter2\n" }\n }\n}`]: ':3',
    [`{\n "password": "hunter2"`]: ':2',
    [`{\n "password": "hunter2"\n}}`]: ':3',
    [`{\n\n 'password': 'hunter2' }`]: ':3',
    [`{ "password": "hunter2", }`]: ':1',
    ['hunter2']: ':1',
    [`\n\n[1, 2`]: ':3',
    [`{"a": 01, "password": "hunter2"}`]: ':1',
    [`{"a": "\\x", "password": "hunter2"}`]: ':1',
  };
  for (const [text, line] of Object.entries(BROKEN)) {
    it(`that is no JSON (${JSON.stringify(text)}) is refused with file and line, and nothing of what it holds`, () => {
      const error = thrownBy(() => parseAuthFile(text, SOURCE));
      expect([error.code, error.exit]).to.deep.equal(['credentials_invalid', 2]);
      expect(error.message).to.equal(`${SOURCE}${line}: it is not JSON`);
      expect(error.suggestions.join()).to.contain(SOURCE);
      let all = '';
      for (let at: unknown = error; at instanceof Error; at = at.cause) all += `${at.message} ${at.stack}`;
      expect(all + JSON.stringify(error.toDocument())).not.to.match(/hunter|password/);
    });
  }

  it('that is no object, or holds an entry that is no base64 of user and password, is refused', () => {
    expect(thrownBy(() => parseAuthFile('[]', SOURCE)).message).to.equal(
      `${SOURCE}: it is not a JSON object`,
    );
    expect(thrownBy(() => parseAuthFile('"hunter2"', SOURCE)).suggestions).not.to.deep.equal([]);
    for (const auth of ['hunter2', base64('hunter2'), base64(':hunter2'), '!!!']) {
      const error = thrownBy(() => find({ 'ghcr.io': { auth } }, 'ghcr.io'));
      expect(error.code).to.equal('credentials_invalid');
      expect(error.message).to.contain(SOURCE).and.contain('ghcr.io').and.not.contain('hunter2');
      // Of another host it is nobody's business.
      expect(find({ 'ghcr.io': { auth } }, 'quay.io')).to.equal(undefined);
    }
  });

  it('that is a variable is mended there: what docker login keeps comes after it', () => {
    const variable = 'DOCKER_AUTH_CONFIG';
    for (const text of ['{"auths"', '[]', '{"auths":{"ghcr.io":{"auth":"not-base64!"}}}']) {
      const error = thrownBy(() => entryFor(parseAuthFile(text, variable), 'ghcr.io', 'team/app'));
      expect(error.message).to.contain(variable);
      expect(error.suggestions.join(), text)
        .to.contain('mend or unset DOCKER_AUTH_CONFIG')
        .and.not.contain('docker login ghcr.io');
    }
  });
});
