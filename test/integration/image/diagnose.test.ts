import { expect } from 'chai';
import { diagnoseImage, type ClientFinding, type Diagnosis } from '../../../src/image/diagnose.js';
import { digestOf } from '../../../src/oci/digest.js';
import { parseReference } from '../../../src/oci/reference.js';
import { knownPlatforms } from '../../../src/targets/known-platforms.js';
import { startDockerRegistry, type DockerRegistry } from '../../support/docker-registry.js';
import { failureOf } from '../../support/failure.js';
import { htmlPage, startHostileServer } from '../../support/hostile-server.js';
import {
  attestationOf,
  buildxIndex,
  dockerImage,
  index,
  LINUX_ARM64,
  multiPlatformIndex,
  nestedIndex,
  ociImage,
  schema1Signed,
  type FixtureManifest,
} from '../../support/image-fixtures.js';
import { pushFixture } from '../../support/push-fixture.js';
import { basicEntry, connectForTest, loggedIn } from '../../support/registry-connection.js';
import { requires } from '../../support/requirements.js';

const SMALL = { runnable: false } as const;
const HIDDEN_INDEX = 'OCI index found, but accept header does not support OCI indexes';
const HIDDEN_MANIFEST = 'OCI manifest found, but accept header does not support OCI manifests';

async function diagnose(
  name: string,
  options: { readonly env?: Readonly<Record<string, string>>; readonly signal?: AbortSignal } = {},
): Promise<Diagnosis> {
  await using connection = await connectForTest({ env: options.env ?? {} });
  const reference = parseReference(name);
  const credential = await connection.credentials.find(reference.domain, reference.path);
  const { registry, anonymous, reader } = connection;
  const ports = { registry, anonymous, reader, authenticated: credential !== undefined };
  return await diagnoseImage(reference, knownPlatforms, ports, options.signal);
}

/** `full GET 200`, `docker-only GET 404 MANIFEST_UNKNOWN`, ... */
function told({ clients }: Diagnosis): string[] {
  return clients.map(({ name, method, status, code }) => [name, method, status, code].join(' ').trim());
}

function targets({ targets: found }: Diagnosis): Record<string, string> {
  return Object.fromEntries(found.map(({ name, runs, adaptation }) => [name, `${runs} ${adaptation}`]));
}

function client({ clients }: Diagnosis, name: string): ClientFinding | undefined {
  return clients.find((one) => one.name === name);
}

describe('Diagnosing an image in docker-registry 2.8.2', () => {
  requires('docker-registry');
  let registry: DockerRegistry;
  before(async () => {
    registry = await startDockerRegistry();
  });
  after(() => registry.stop());

  const diagnosed = async (image: FixtureManifest): Promise<Diagnosis> => {
    await pushFixture({ url: registry.url, repository: 'app' }, 'v1', image);
    return diagnose(`${registry.host}/app:v1`);
  };

  for (const attestation of ['annotated', 'artifact'] as const) {
    it(`that buildx made by default (${attestation}): hidden from Docker-only clients, in the registry's words`, async () => {
      const image = await buildxIndex({ ...SMALL, attestation });
      const diagnosis = await diagnosed(image);
      expect(diagnosis.digest).to.equal(image.digest);
      expect(told(diagnosis)).to.deep.equal([
        'full GET 200',
        'docker-only GET 404 MANIFEST_UNKNOWN',
        'oci-manifest-only GET 404 MANIFEST_UNKNOWN',
        'head HEAD 200',
        'anonymous GET 200',
      ]);
      expect(client(diagnosis, 'docker-only')).to.include({ found: false, message: HIDDEN_INDEX });
      expect(client(diagnosis, 'oci-manifest-only')).to.include({ message: HIDDEN_INDEX });
      expect(targets(diagnosis)).to.include({
        fly: 'true none',
        kubernetes: 'true none',
        lambda: 'false pin',
        heroku: 'false convert',
        cloudrun: 'false copy',
      });
      expect(diagnosis.suggestions.join('\n'))
        .to.contain(`deployer deploy --image ${registry.host}/app@${image.digest}`)
        .and.contain('--provenance=false');
    });
  }

  it('of one OCI manifest: hidden from Docker-only clients too', async () => {
    const diagnosis = await diagnosed(await ociImage(SMALL));
    expect(client(diagnosis, 'docker-only')).to.include({ found: false, message: HIDDEN_MANIFEST });
    expect(client(diagnosis, 'oci-manifest-only')).to.include({ found: true, status: 200 });
    expect(targets(diagnosis)).to.include({
      fly: 'true none',
      heroku: 'false convert',
      lambda: 'false copy',
    });
  });

  it('of one Docker manifest: found by all but who asks for OCI alone', async () => {
    const diagnosis = await diagnosed(await dockerImage(SMALL));
    expect(client(diagnosis, 'docker-only')?.found).to.equal(true);
    expect(targets(diagnosis)).to.include({ fly: 'true none', heroku: 'false copy' });
    expect(diagnosis.suggestions).to.deep.equal([]);
  });

  it('of several platforms, flat or nested: each target has its platform', async () => {
    for (const image of [await multiPlatformIndex('oci', SMALL), await nestedIndex(SMALL)]) {
      const found = targets(await diagnosed(image));
      expect(found).to.include({
        fly: 'true none',
        ecs: 'true none',
        docker: 'true none',
        lambda: 'false pin',
      });
    }
  });

  it('of arm64 alone: who runs amd64 alone needs another build, and is told what is there', async () => {
    const diagnosis = await diagnosed(await ociImage({ ...SMALL, platform: LINUX_ARM64 }));
    expect(targets(diagnosis)).to.include({ fly: 'false rebuild', ecs: 'true none', lambda: 'false copy' });
    const fly = diagnosis.targets.find(({ name }) => name === 'fly');
    expect(fly?.reason).to.match(/needs linux\/amd64.+linux\/arm64/);
  });

  it("of zstd layers: who can't unpack them needs another build", async () => {
    const layerMediaType = 'application/vnd.oci.image.layer.v1.tar+zstd';
    const diagnosis = await diagnosed(await buildxIndex({ ...SMALL, layerMediaType }));
    expect(targets(diagnosis)).to.include({
      fly: 'true none',
      docker: 'false rebuild',
      lambda: 'false rebuild',
    });
  });

  it('that is an artifact, or attestations alone, runs nowhere', async () => {
    const chart = artifact(await ociImage(SMALL));
    for (const image of [chart, index([attestationOf(await ociImage(SMALL))])]) {
      const diagnosis = await diagnosed(image);
      expect(client(diagnosis, 'full')?.found).to.equal(true);
      expect(new Set(Object.values(targets(diagnosis)))).to.deep.equal(new Set(['false rebuild']));
      expect(diagnosis.targets[0]?.reason).to.contain('holds no container image');
    }
  });

  it('that is not there is found by nobody, and judged for no target', async () => {
    const diagnosis = await diagnose(`${registry.host}/nobody:v1`);
    expect(diagnosis.clients.map(({ found }) => found)).to.deep.equal([false, false, false, false, false]);
    expect(told(diagnosis)[3]).to.equal('head HEAD 404');
    expect(diagnosis).not.to.have.property('digest');
    expect([diagnosis.targets, diagnosis.suggestions]).to.deep.equal([
      [],
      [`see what is wrong in full: deployer image inspect ${registry.host}/nobody:v1`],
    ]);
  });

  it('of schema 1 is refused with the reason', async () => {
    await pushFixture({ url: registry.url, repository: 'old' }, 'v1', await schema1Signed('old', 'v1'));
    const error = await failureOf(() => diagnose(`${registry.host}/old:v1`));
    expect(error.code).to.equal('schema1_unsupported');
  });
});

describe('Diagnosing an image in a private registry', () => {
  requires('docker-registry', 'htpasswd');

  it('shows what who is logged in is told, and who is not', async () => {
    await using registry = await startDockerRegistry({
      auth: { kind: 'basic', user: 'me', password: 'secret' },
    });
    const entry = basicEntry('me', 'secret');
    const authorization = `Basic ${entry.auth}`;
    await pushFixture(
      { url: registry.url, repository: 'app', authorization },
      'v1',
      await buildxIndex(SMALL),
    );

    const diagnosis = await diagnose(`${registry.host}/app:v1`, { env: loggedIn(registry.host, entry) });
    expect(told(diagnosis)).to.deep.equal([
      'full GET 200',
      'docker-only GET 404 MANIFEST_UNKNOWN',
      'oci-manifest-only GET 404 MANIFEST_UNKNOWN',
      'head HEAD 200',
      'anonymous GET 401 UNAUTHORIZED',
      'authenticated GET 200',
    ]);
    expect(diagnosis.suggestions.at(-1)).to.contain('the image is private');

    const nobody = await diagnose(`${registry.host}/app:v1`);
    expect(nobody.clients.map(({ status }) => status)).to.deep.equal([401, 401, 401, 401, 401]);
    expect(nobody.targets).to.deep.equal([]);
  });
});

describe('Diagnosing what is no registry', () => {
  it('shows what each client met', async () => {
    await using server = await startHostileServer(() => htmlPage());
    const page = await diagnose(`${server.host}/app:v1`);
    expect(told(page)[0]).to.equal('full GET 200 HTML');
    expect(page.clients.some(({ found }) => found)).to.equal(false);
    const nowhere = await diagnose('registry.invalid/app:v1');
    expect(told(nowhere)[0]).to.equal('full GET 0 dns_failed');
    expect(nowhere.clients).to.have.length(5);
  });

  it('ends when it is called off, and does not take that for an answer', async () => {
    const controller = new AbortController();
    await using server = await startHostileServer(() => {
      controller.abort(new Error('Ctrl-C'));
      return { then: 'silent' };
    });
    const outcome = await diagnose(`${server.host}/app:v1`, { signal: controller.signal }).catch(
      (error: unknown) => error,
    );
    expect(outcome).to.have.property('message', 'Ctrl-C');
    expect(server.requests).to.have.length(1);
  });
});

/** The same blobs as a Helm chart, which has a config of its own kind. */
function artifact(image: FixtureManifest): FixtureManifest {
  const text = image.bytes
    .toString()
    .replace('application/vnd.oci.image.config.v1+json', 'application/vnd.cncf.helm.config.v1+json')
    .replaceAll(
      'application/vnd.oci.image.layer.v1.tar+gzip',
      'application/vnd.cncf.helm.chart.content.v1.tar+gzip',
    );
  const bytes = Buffer.from(text);
  return { ...image, bytes, digest: digestOf(bytes), size: bytes.length };
}
