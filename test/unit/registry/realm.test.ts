import { isIP } from 'node:net';
import { expect } from 'chai';
import { checkHost, guardedLookup, type Resolve } from '../../../src/http/public-network.js';
import { checkRealm, realmRefusal } from '../../../src/registry/realm.js';
import { failureOf } from '../../support/failure.js';

/** What DNS says in these tests; any other name resolves to nothing. */
const ADDRESSES: Readonly<Record<string, readonly string[]>> = {
  'registry.test': ['93.184.216.34'],
  'auth.test': ['93.184.216.40', '2606:4700::6810:1'],
  'inside.test': ['10.1.2.3'],
  'half-inside.test': ['93.184.216.41', '10.1.2.3'],
  'mapped.test': ['::ffff:169.254.169.254'],
  'registry.corp.test': ['10.0.0.5'],
};
const resolve: Resolve = (hostname, _options, callback) => {
  const found = (ADDRESSES[hostname] ?? []).map((address) => ({ address, family: isIP(address) }));
  callback(null, found);
};

/** What the HTTP client does before it connects. */
async function connectTo(url: URL, namedBy: string): Promise<URL> {
  await checkHost(url, namedBy, resolve);
  return new Promise((connected, refused) => {
    const judged = guardedLookup(namedBy, resolve);
    judged(url.hostname, { all: true }, (error) => (error === null ? connected(url) : refused(error)));
  });
}

describe('A token realm', () => {
  const check = async (realm: string, registry = 'https://registry.test'): Promise<URL> => {
    const url = checkRealm(realm, new URL(registry));
    const { host, hostname } = new URL(registry);
    if (url.host === host) return url;
    return connectTo(url, hostname).catch((error: unknown) => {
      throw realmRefusal(error, url, new URL(registry));
    });
  };

  it('on the public internet over https is taken', async () => {
    const realms = ['https://auth.test/token', 'https://auth.test:8443/token?x=1', 'https://registry.test/t'];
    for (const realm of realms) expect((await check(realm)).href).to.equal(realm);
    // Behind a proxy names may not resolve here.
    expect((await check('https://unknown.test/token')).host).to.equal('unknown.test');
  });

  it('may be plain http where the registry is', async () => {
    expect((await check('http://auth.test/token', 'http://registry.test')).protocol).to.equal('http:');
    expect((await check('https://auth.test/token', 'http://registry.test')).protocol).to.equal('https:');
  });

  it('may be in a private network where the registry is', async () => {
    const both = [
      ['http://127.0.0.1:5001/token', 'http://127.0.0.1:5000'],
      ['https://localhost:5001/token', 'https://registry.corp.test'],
      ['https://10.0.0.6/token', 'https://registry.corp.test'],
      ['https://inside.test/token', 'https://10.9.9.9'],
      ['https://inside.test/token', 'https://registry.corp.test'],
      ['https://[fd00::1]/token', 'https://[fe80::1]'],
    ];
    for (const [realm = '', registry = ''] of both)
      expect((await check(realm, registry)).href).to.equal(realm);
    // Its own host, wherever that is.
    expect((await check('https://inside.test/token', 'https://inside.test')).host).to.equal('inside.test');
  });

  const REFUSED: Readonly<Record<string, RegExp>> = {
    'http://auth.test/token': /not https/,
    'http://registry.test/token': /not https/,
    'ftp://auth.test/token': /not https/,
    'file:///etc/passwd': /not https/,
    '/token': /no URL/,
    '': /no URL/,
    'https://': /no URL/,
    'https://user:password@auth.test/token': /credentials of its own/,
    'https://user@auth.test/token': /credentials of its own/,
    'https://localhost/token': /private network/,
    'https://a.localhost/token': /private network/,
    'https://127.0.0.1/token': /private network/,
    'https://2130706433/token': /private network/,
    'https://0x7f.1/token': /private network/,
    'https://10.0.0.1/token': /private network/,
    'https://172.16.0.1/token': /private network/,
    'https://192.168.1.1/token': /private network/,
    'https://169.254.169.254/latest/meta-data': /private network/,
    'https://100.64.0.1/token': /private network/,
    'https://0.0.0.0/token': /private network/,
    'https://[::1]/token': /private network/,
    'https://[::]/token': /private network/,
    'https://[fd00::1]/token': /private network/,
    'https://[fe80::1]/token': /private network/,
    'https://[::ffff:127.0.0.1]/token': /private network/,
    'https://[::ffff:a9fe:a9fe]/token': /private network/,
    'https://[64:ff9b::10.0.0.1]/token': /private network/,
    'https://inside.test/token': /private network/,
    'https://half-inside.test/token': /private network/,
    'https://mapped.test/token': /private network/,
  };
  for (const [realm, why] of Object.entries(REFUSED)) {
    it(`${realm || '(none)'} of a public registry is refused: ${String(why)}`, async () => {
      const error = await failureOf(() => check(realm));
      expect([error.code, error.exit]).to.deep.equal(['insecure_refused', 12]);
      expect(error.message).to.match(why).and.contain('registry.test');
      expect(error.suggestions.join()).to.contain('no credentials were sent');
    });
  }

  it('that is refused is shown without password and control characters', async () => {
    const secret = await failureOf(() => check('https://user:hunter2@auth.test/token'));
    expect(JSON.stringify(secret.toDocument())).not.to.contain('hunter2');
    const escape = await failureOf(() => check('\u001b[31mhttp://x'));
    expect(escape.evidence.join()).not.to.contain('\u001b');
  });
});
