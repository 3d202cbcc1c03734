import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { expect } from 'chai';
import { readCertsD } from '../../../src/registry/certs-d.js';
import { makeCertificates } from '../../support/certificates.js';
import { failureOf } from '../../support/failure.js';
import { requires } from '../../support/requirements.js';
import { makeTempFolder } from '../../support/temp-folder.js';

/** Writes files for `registry.test:5000` under a fresh root, and reads what the root says of `host`. */
async function read(files: Readonly<Record<string, string>>, host = 'registry.test:5000') {
  await using root = await makeTempFolder('certs');
  await mkdir(join(root.path, 'registry.test:5000'));
  for (const [name, text] of Object.entries(files))
    await writeFile(join(root.path, 'registry.test:5000', name), text);
  return await readCertsD({ roots: [join(root.path, 'absent'), root.path] }, host);
}

describe("docker's certs.d", () => {
  requires('openssl');
  let pem = '';
  let cert = '';
  let key = '';
  before(async () => {
    await using folder = await makeTempFolder('certs');
    const made = await makeCertificates(folder.path);
    pem = await readFile(made.caFile, 'utf8');
    cert = await readFile(made.certFile, 'utf8');
    key = await readFile(made.keyFile, 'utf8');
  });

  it("adds a host's authorities to the system's, and knows no other host", async () => {
    const material = await read({ 'ca.crt': pem, 'other.crt': pem, 'README.md': 'x' });
    expect(material?.ca).to.include(pem).and.include(rootCertificates[0]);
    expect(material?.ca).to.have.length(rootCertificates.length + 2);
    expect([material?.cert, material?.key]).to.deep.equal([undefined, undefined]);
    expect(await read({ 'ca.crt': pem }, 'registry.test')).to.equal(undefined);
    expect(await read({ 'README.md': 'x' })).to.equal(undefined);
    expect(await read({})).to.equal(undefined);
  });

  it('reads a client certificate with its key', async () => {
    const material = await read({ 'client.cert': cert, 'client.key': key });
    expect([material?.cert, material?.key]).to.deep.equal([cert, key]);
  });

  it('names the key that is none, or of another certificate', async () => {
    const none = await failureOf(() => read({ 'client.cert': cert, 'client.key': 'none' }));
    expect([none.code, none.exit]).to.deep.equal(['config_invalid', 2]);
    expect(none.message).to.match(/client\.key holds no private key/);
    const other = await failureOf(() => read({ 'client.cert': pem, 'client.key': key }));
    expect(other.message).to.match(/client\.key is not the key of .+client\.cert/);
    expect(JSON.stringify([none.toDocument(), other.toDocument()])).not.to.contain('PRIVATE KEY');
  });

  it('keeps what NODE_EXTRA_CA_CERTS names, which Node would drop from a list of its own', async () => {
    await using root = await makeTempFolder('certs');
    const extraFile = join(root.path, 'extra.pem');
    await writeFile(extraFile, cert);
    await mkdir(join(root.path, 'registry.test'));
    await writeFile(join(root.path, 'registry.test', 'ca.crt'), pem);
    const { ca } = (await readCertsD({ roots: [root.path], extraFile }, 'registry.test')) ?? {};
    expect(ca).to.include(pem).and.include(cert).and.include(rootCertificates[0]);
    const gone = await readCertsD({ roots: [root.path], extraFile: `${extraFile}.gone` }, 'registry.test');
    expect(gone?.ca).to.have.length(rootCertificates.length + 1);
  });

  it('names the certificate that has no key, and the file that holds no certificate', async () => {
    const alone = await failureOf(() => read({ 'client.cert': pem }));
    expect([alone.code, alone.exit]).to.deep.equal(['config_invalid', 2]);
    expect(alone.message).to.match(/registry\.test:5000\/client\.cert has no client\.key/);
    expect(alone.suggestions).not.to.deep.equal([]);
    const empty = await failureOf(() => read({ 'ca.crt': 'not a certificate' }));
    expect([empty.code, empty.exit]).to.deep.equal(['config_invalid', 2]);
    expect(empty.message).to.match(/registry\.test:5000\/ca\.crt/);
  });

  it("names the file that can't be read", async () => {
    await using root = await makeTempFolder('certs');
    // A folder in the file's place: root may read whatever mode a file has.
    await mkdir(join(root.path, 'registry.test', 'ca.crt'), { recursive: true });
    const error = await failureOf(() => readCertsD({ roots: [root.path] }, 'registry.test'));
    expect(error.code).to.equal('config_invalid');
    expect(error.message).to.contain('registry.test/ca.crt').and.contain('EISDIR');
  });

  it('stops at the first root that has the host', async () => {
    await using user = await makeTempFolder('certs');
    await using system = await makeTempFolder('certs');
    for (const { path } of [user, system]) await mkdir(join(path, 'registry.test'));
    await writeFile(join(user.path, 'registry.test', 'ca.crt'), pem);
    await writeFile(join(system.path, 'registry.test', 'a.crt'), pem);
    await writeFile(join(system.path, 'registry.test', 'b.crt'), pem);
    const material = await readCertsD({ roots: [user.path, system.path] }, 'registry.test');
    expect(material?.ca).to.have.length(rootCertificates.length + 1);
  });
});
