import { expect } from 'chai';
import type { ClientFinding } from '../../../src/image/diagnose/ask-as-clients.js';
import type { Diagnosis } from '../../../src/image/diagnose/diagnose.js';
import { digestOf } from '../../../src/oci/digest.js';
import { diagnose, diagnoseFully } from '../../support/diagnose.js';
import { startDockerRegistry, type DockerRegistry } from '../../support/docker-registry.js';
import { startEmulatorRegistry } from '../../support/emulator-registry.js';
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
import { runProgram } from '../../support/program.js';
import { pushFixture } from '../../support/push-fixture.js';
import { basicEntry, loggedIn } from '../../support/registry-connection.js';
import { requires } from '../../support/requirements.js';

const SMALL = { runnable: false } as const;
const HIDDEN_INDEX = 'OCI index found, but accept header does not support OCI indexes';
const HIDDEN_MANIFEST = 'OCI manifest found, but accept header does not support OCI manifests';

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

async function sizedWrong(): Promise<FixtureManifest> {
  const image = await ociImage(SMALL);
  return index([{ ...image, size: 5 }]);
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
        'docker_registry2 GET 200',
        'docker-20.10 GET 200',
        'containerd HEAD 200',
        'crane GET 200',
        'skopeo GET 200',
        'oci-manifest-only GET 404 MANIFEST_UNKNOWN',
        'lambda GET 404 MANIFEST_UNKNOWN',
        'cloudrun GET 200',
        'heroku GET 404 MANIFEST_UNKNOWN',
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
        .and.contain(`for clients of before 2023: deployer build . --tag ${registry.host}/app:v1`);
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
    expect(client(diagnosis, 'oci-manifest-only')).to.include({ found: false, code: 'FORM_NOT_ASKED_FOR' });
    expect(diagnosis.suggestions.filter((line) => !line.includes('deployer image copy'))).to.deep.equal([]);
  });

  it('of a Docker manifest list: who takes no list is given the manifest for linux/amd64 in its place', async () => {
    const list = await multiPlatformIndex('docker', SMALL);
    const diagnosis = await diagnosed(list);
    expect(client(diagnosis, 'docker-only')).to.include({ found: true, digest: list.digest });
    expect(client(diagnosis, 'heroku')).to.include({ found: true, digest: list.children[0]?.digest });
  });

  it('asks each question once, whoever asks it', async () => {
    await pushFixture({ url: registry.url, repository: 'once' }, 'v1', await ociImage(SMALL));
    const before = registry.requests().length;
    const { clients } = await diagnose(`${registry.host}/once:v1`);
    const asked = registry
      .requests()
      .slice(before)
      .filter((line) => line.includes('/manifests/v1'));
    const questions = new Set(clients.map(({ method, accept }) => [method, ...[...accept].sort()].join(' ')));
    expect([clients.length, asked.length]).to.deep.equal([13, questions.size]);
    expect(asked.length).to.be.at.most(10);
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

  it('that is an artifact, attestations alone, or nothing runs nowhere, which is the answer', async () => {
    const chart = artifact(await ociImage(SMALL));
    for (const image of [chart, index([attestationOf(await ociImage(SMALL))]), index([])]) {
      await pushFixture({ url: registry.url, repository: 'no-image' }, 'v1', image);
      const { diagnosis, error } = await diagnoseFully(`${registry.host}/no-image:v1`);
      expect(error).to.include({ code: 'image_incompatible', exit: 5 });
      expect(error?.message).to.match(
        /\/no-image:v1 is there, but nobody can run it: it holds no container image/,
      );
      expect(client(diagnosis, 'full')?.found).to.equal(true);
      expect(new Set(Object.values(targets(diagnosis)))).to.deep.equal(new Set(['false rebuild']));
      expect(diagnosis.targets[0]?.reason).to.contain('holds no container image');
    }
  });

  it('whose index gives a manifest another size than it has: engines refuse it, and inspect does', async () => {
    await pushFixture({ url: registry.url, repository: 'sizes' }, 'v1', await sizedWrong());
    const { diagnosis, error } = await diagnoseFully(`${registry.host}/sizes:v1`, { target: 'docker' });
    expect(targets(diagnosis)).to.deep.equal({ docker: 'false rebuild' });
    expect(error).to.include({ code: 'image_incomplete', exit: 5 });
    expect(error?.evidence.join()).to.contain('is damaged: ').and.contain('an index says what is not so of');
    const inspected = await runProgram(['image', 'inspect', `${registry.host}/sizes:v1`]);
    expect(inspected.code).to.equal(5);
    expect(inspected.stderr).to.contain('the index: application/vnd.oci.image.manifest.v1+json, 5 bytes');
  });

  it('that is not there: found by nobody, judged for no target, with the tags that are there', async () => {
    await pushFixture({ url: registry.url, repository: 'tags' }, 'v1', await ociImage(SMALL));
    const { diagnosis, error } = await diagnoseFully(`${registry.host}/tags:v2`);
    expect(diagnosis.clients.some(({ found }) => found)).to.equal(false);
    expect(told(diagnosis)).to.include('head HEAD 404');
    expect(diagnosis).not.to.have.property('digest');
    expect(diagnosis.targets).to.deep.equal([]);
    expect(diagnosis.tags).to.deep.equal({ status: 'listed', count: 1, more: false, nearest: ['v1'] });
    expect(error).to.include({ code: 'tag_not_found', exit: 3 });
    expect(diagnosis.suggestions).to.deep.equal([`deployer image inspect ${registry.host}/tags:v1`]);

    const nobody = await diagnoseFully(`${registry.host}/nobody:v1`);
    expect(nobody.diagnosis.tags).to.deep.equal({ status: 'no-repository' });
    expect(nobody.error).to.include({ code: 'repository_not_found', exit: 3 });
  });

  it('of schema 1: what the clients that take it are given, and the reason why it is refused', async () => {
    await pushFixture({ url: registry.url, repository: 'old' }, 'v1', await schema1Signed('old', 'v1'));
    const { diagnosis, error } = await diagnoseFully(`${registry.host}/old:v1`);
    expect(error).to.include({ code: 'schema1_unsupported', exit: 5 });
    expect(client(diagnosis, 'full')).to.include({ found: false, code: 'FORM_NOT_ASKED_FOR' });
    expect(client(diagnosis, 'skopeo')?.found).to.equal(true);
  });
});

describe('Diagnosing an image in a private registry', () => {
  requires('docker-registry', 'htpasswd');

  const entry = basicEntry('me', 'secret');
  let registry: DockerRegistry;
  let name: string;
  let env: Record<string, string>;
  before(async () => {
    registry = await startDockerRegistry({ auth: { kind: 'basic', user: 'me', password: 'secret' } });
    const target = { url: registry.url, repository: 'app', authorization: `Basic ${entry.auth}` };
    await pushFixture(target, 'v1', await buildxIndex(SMALL));
    name = `${registry.host}/app:v1`;
    env = loggedIn(registry.host, entry);
  });
  after(() => registry.stop());

  it('shows what who is logged in is told, and who is not', async () => {
    const diagnosis = await diagnose(name, { env });
    expect(told(diagnosis)).to.deep.equal([
      'full GET 200',
      'docker-only GET 404 MANIFEST_UNKNOWN',
      'docker_registry2 GET 200',
      'docker-20.10 GET 200',
      'containerd HEAD 200',
      'crane GET 200',
      'skopeo GET 200',
      'oci-manifest-only GET 404 MANIFEST_UNKNOWN',
      'lambda GET 404 MANIFEST_UNKNOWN',
      'cloudrun GET 200',
      'heroku GET 404 MANIFEST_UNKNOWN',
      'head HEAD 200',
      'anonymous GET 401 UNAUTHORIZED',
      'authenticated GET 200',
    ]);
    const { diagnosis: nobody, error } = await diagnoseFully(name);
    expect(new Set(nobody.clients.map(({ status }) => status))).to.deep.equal(new Set([401]));
    expect(nobody.targets).to.deep.equal([]);
    expect(error).to.include({ code: 'registry_unauthorized', exit: 4 });
    expect(nobody.suggestions.join()).to.contain(`docker login ${registry.host}`);
  });

  it('sends it to the own registry of who pulls as anyone can, and says who needs credentials', async () => {
    const { targets: found, suggestions } = await diagnose(name, { env });
    const fly = found.find(({ name: target }) => target === 'fly');
    expect(fly).to.include({ runs: false, adaptation: 'copy', pullsWith: 'own-access' });
    expect(fly?.reason).to.contain('fly pulls only public images and those of registry.fly.io');
    expect(suggestions).to.include(`for fly: deployer image copy ${name} registry.fly.io/APP:v1`);
    const kubernetes = found.find(({ name: target }) => target === 'kubernetes');
    expect(kubernetes).to.include({ runs: true, pullsWith: 'credentials' });
    expect(kubernetes?.reason).to.contain('imagePullSecrets');
  });
});

describe("Diagnosing an image in the emulator's registry", () => {
  const TELLING = ['docker-only', 'docker_registry2', 'oci-manifest-only', 'lambda', 'heroku'];

  const diagnosed = async (legacyAccept: boolean): Promise<(ClientFinding | undefined)[]> => {
    await using registry = await startEmulatorRegistry({ legacyAccept });
    await pushFixture({ url: registry.url, repository: 'app' }, 'v1', await buildxIndex(SMALL));
    const { diagnosis, error } = await diagnoseFully(`${registry.host}/app:v1`);
    expect(error).to.equal(undefined);
    return TELLING.map((name) => client(diagnosis, name));
  };

  it('that answers as docker-registry 2.8 does (--legacy-accept) hides the same from the same, in the same words', async () => {
    const found = await diagnosed(true);
    expect(found.map((one) => one?.found)).to.deep.equal([false, true, false, false, false]);
    expect(found[0]).to.include({ status: 404, code: 'MANIFEST_UNKNOWN', message: HIDDEN_INDEX });
  });

  it('that gives everyone what there is: who did not ask for an index has no use for it', async () => {
    const found = await diagnosed(false);
    expect(found.map((one) => one?.found)).to.deep.equal([false, true, false, false, false]);
    expect(found[0]).to.include({ status: 200, code: 'FORM_NOT_ASKED_FOR' });
    expect(found[0]?.message).to.equal('is given what it did not ask for: OCI index');
  });
});

describe('Diagnosing what is no registry', () => {
  it('shows what each client met', async () => {
    await using server = await startHostileServer(() => htmlPage());
    const { diagnosis: page, error } = await diagnoseFully(`${server.host}/app:v1`);
    expect(told(page)[0]).to.equal('full GET 200 HTML');
    expect(page.clients.some(({ found }) => found)).to.equal(false);
    expect(error).to.include({ code: 'not_a_registry', exit: 12 });
  });

  it('does not ask again and again where there is no way: the one failure is that of all', async () => {
    const { diagnosis, error } = await diagnoseFully('registry.invalid/app:v1');
    expect(error).to.include({ code: 'dns_failed', exit: 12 });
    expect(diagnosis.clients.map(({ status, code }) => `${status} ${code}`)).to.deep.equal(
      Array.from({ length: 13 }, () => '0 dns_failed'),
    );
    expect(client(diagnosis, 'crane')?.notAsked).to.equal(true);
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
