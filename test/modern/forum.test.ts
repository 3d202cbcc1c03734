import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { ACCEPT_ALL, MEDIA_TYPE } from '../../src/oci/media-types.js';
import { makeContext } from '../support/build-context.js';
import { deployToIndexless } from '../support/deploy-to-indexless.js';
import type { DockerEngine } from '../support/docker-engine.js';
import { startDockerRegistry, type DockerRegistry } from '../support/docker-registry.js';
import { documentIn } from '../support/json-documents.js';
import { startModernEngine } from '../support/modern-engine.js';
import type { Finished } from '../support/program.js';
import { requires } from '../support/requirements.js';
import { flyToml, setStage, type Stage } from '../support/stage.js';
import type { TempFolder } from '../support/temp-folder.js';

const DOCKERFILE = 'FROM scratch\nCOPY hello /hello\n';
const ONE_MANIFEST = { kind: 'manifest', mediaType: MEDIA_TYPE.dockerManifest } as const;

describe("the forum's flow whole: Docker 28 builds, docker-registry 2.8 keeps, the platform runs", function () {
  requires('modern-root', 'docker-registry');
  this.timeout(120_000);
  let engine: DockerEngine;
  let registry: DockerRegistry;
  let stage: Stage;
  let context: TempFolder;
  let repository: string;
  before(async () => {
    [engine, registry, stage, context] = await Promise.all([
      startModernEngine(),
      startDockerRegistry(),
      setStage(),
      makeContext({ Dockerfile: DOCKERFILE, hello: 'hello\n' }),
    ]);
    repository = `${registry.host}/forum/app`;
  });
  after(async () => {
    await stage[Symbol.asyncDispose]();
    await Promise.all([engine.stop(), registry.stop(), context.remove()]);
  });
  beforeEach(() => configure(''));

  /** Writes the project's fly.toml, with a section for builds. */
  const configure = (build: string): Promise<void> =>
    writeFile(join(stage.folder, 'fly.toml'), `${flyToml('shop')}\n${build}`);
  const run = (...args: string[]): Promise<Finished> =>
    stage.run(args, { env: { DOCKER_HOST: engine.dockerHost } });
  async function build(tag: string, provenance: string) {
    const args = ['--tag', `${repository}:${tag}`, '--push', '--provenance', provenance, '--json'];
    const { code, stdout, stderr } = await run('build', context.path, ...args);
    expect(code, stdout + stderr).to.equal(0);
    return documentIn('build', stdout);
  }
  async function deploy(...args: string[]) {
    const { code, stdout, stderr } = await run('deploy', ...args, '--json');
    expect(code, stdout + stderr).to.equal(0);
    return documentIn('deploy', stdout);
  }
  async function inspect(tag: string) {
    const { code, stdout, stderr } = await run('image', 'inspect', `${repository}:${tag}`, '--json');
    expect(code, stdout + stderr).to.equal(0);
    return documentIn('inspection', stdout);
  }
  const digestIn = async (tag: string): Promise<string | null> => {
    const url = `${registry.url}/v2/forum/app/manifests/${tag}`;
    const { headers } = await fetch(url, { method: 'HEAD', headers: { accept: ACCEPT_ALL.join() } });
    return headers.get('docker-content-digest');
  };
  const running = async (): Promise<readonly unknown[]> =>
    (await stage.machines('shop')).map(({ state, config }) => [state, config['image']]);

  it('an image built with provenance is an index, hidden from the client of old, and released by its digest', async () => {
    const built = await build('min', 'min');
    expect(built).to.deep.include({ kind: 'index', mediaType: MEDIA_TYPE.ociIndex, pushed: true });
    const found = await inspect('min');
    expect(found).to.include({ kind: 'index', mediaType: MEDIA_TYPE.ociIndex, digest: built.digest });
    expect(found.digest).to.equal(await digestIn('min'));
    expect(found.attestations.map(({ subject }) => subject)).to.deep.equal([found.platforms[0]?.digest]);
    expect(found.attestations[0]?.predicateTypes.join()).to.match(/^https:\/\/slsa\.dev\/provenance\//);

    const image = `${repository}:min`;
    const old = await run('deploy', '--image', image, '--accept', 'docker', '--app', 'old');
    expect([old.code, old.stdout]).to.deep.equal([3, '']);
    expect(old.stderr)
      .to.contain(`Searching for image '${image}' remotely...\n`)
      .and.contain(`✖ failed to fetch an image or build from source: Could not find image "${image}"\n`)
      .and.contain('OCI index found, but accept header does not support OCI indexes');
    expect((await stage.platform.client.call('GET /apps/old')).status, 'nothing was written').to.equal(404);

    const { status, image: handedOver, build: none } = await deploy('--image', image);
    expect({ status, digest: handedOver.digest, none }).to.deep.equal({
      ...{ status: 'succeeded', digest: built.digest, none: undefined },
    });
    expect(await running()).to.deep.equal([['started', `${repository}@${built.digest}`]]);
  });

  it('one that is missing is built, pushed straight from the build where that is asked for, and released', async () => {
    const args = ['deploy', context.path, '--image', `${repository}:direct`, '--direct-push', '--json'];
    const planned = await run(...args, '--dry-run');
    expect(planned.code, planned.stderr).to.equal(0);
    const { plan } = documentIn('plan', planned.stdout);
    expect(plan.steps.find(({ step }) => step === 'push')?.summary).to.contain('straight from the build');
    const urls = plan.writes.map(({ url }) => url);
    expect(urls.filter((url) => url.startsWith(engine.dockerHost))).to.deep.equal([
      `${engine.dockerHost}/build`,
    ]);
    const finished = await run(...args);
    expect(finished.code, finished.stdout + finished.stderr).to.equal(0);
    expect(finished.stderr).to.not.match(/^layer [0-9a-f]{12} /m);
    const { image, status } = documentIn('deploy', finished.stdout);
    expect({ status, digest: image.digest }).to.deep.equal({
      ...{ status: 'succeeded', digest: await digestIn('direct') },
    });
    expect(await running()).to.deep.equal([['started', `${repository}@${image.digest}`]]);
  });

  it('the same goes to a target that takes no index by the manifest of its platform', async () => {
    await build('pinned', 'min');
    const found = await inspect('pinned');
    const { result, adaptations } = await deployToIndexless(stage, {
      image: `${repository}:pinned`,
      dockerHost: engine.dockerHost,
    });
    expect(adaptations.map((step) => step?.action)).to.deep.equal(['pin']);
    expect(adaptations[0]?.summary).to.contain('fly takes no index');
    expect(result.image.digest).to.equal(found.platforms[0]?.digest).and.not.equal(found.digest);
    expect(await running()).to.deep.equal([['started', `${repository}@${found.platforms[0]?.digest}`]]);
  });

  it('diagnose tells what each platform of the field needs, in commands that do it', async () => {
    await build('told', 'min');
    const [found] = (await inspect('told')).platforms;
    const { stdout } = await run('image', 'diagnose', `${repository}:told`, '--json');
    const { targets, suggestions } = documentIn('diagnosis', stdout);
    const needs = Object.fromEntries(targets.map(({ name, adaptation }) => [name, adaptation]));
    expect(needs).to.include({
      fly: 'none',
      docker: 'none',
      lambda: 'pin',
      cloudrun: 'copy',
      heroku: 'convert',
    });
    const one = await run('image', 'diagnose', `${repository}:told`, '--target', 'lambda');
    expect(one.stdout).to.match(
      /^ {2}✖ lambda +needs: pin\. lambda takes no index: the platform's own manifest/m,
    );

    for (const [target, mediaType] of [
      ['lambda', MEDIA_TYPE.ociManifest],
      ['heroku', MEDIA_TYPE.dockerManifest],
    ] as const) {
      const command = new RegExp(`^for ${target}: deployer (image \\w+) (\\S+) \\S+ (.*)$`);
      const suggested = suggestions.map((line) => command.exec(line)).find((match) => match !== null);
      const [, verb = '', source = '', options = ''] = suggested ?? [];
      // To this registry: the target's own is not at hand.
      const args = [...verb.split(' '), source, `${repository}:for-${target}`, ...options.split(' ')];
      const { code, stderr } = await run(...args);
      expect(code, args.join(' ') + stderr).to.equal(0);
      const got = await inspect(`for-${target}`);
      expect(got, target).to.deep.include({ kind: 'manifest', mediaType, attestations: [] });
      if (target === 'lambda') expect(got.digest).to.equal(found?.digest);
    }
  });

  it('rebuilt without provenance it is one manifest, which the client of old finds too', async () => {
    const attested = await build('again', 'min');
    const built = await build('again', 'off');
    expect(built).to.deep.include({ ...ONE_MANIFEST, attestations: [] });
    expect(built.digest).to.not.equal(attested.digest);
    const { image } = await deploy('--image', `${repository}:again`, '--accept', 'docker');
    expect(image.digest).to.equal(built.digest);
    const { adaptations } = await deployToIndexless(stage, {
      image: `${repository}:again`,
      dockerHost: engine.dockerHost,
    });
    expect(adaptations.map((step) => step?.action)).to.deep.equal(['none']);
    expect(await running()).to.deep.equal([['started', `${repository}@${built.digest}`]]);
  });

  describe('deploy builds what is missing, pushes it and releases it', () => {
    it('without provenance, unless the configuration asks for it', async () => {
      for (const [tag, section, promised] of [
        ['plain', '', { ...ONE_MANIFEST, attestations: 0 }],
        [
          'attested',
          '[build]\nprovenance = "min"\n',
          { kind: 'index', mediaType: MEDIA_TYPE.ociIndex, attestations: 1 },
        ],
      ] as const) {
        await configure(section);
        await writeFile(join(context.path, 'hello'), tag);
        const { status, image, build: made } = await deploy(context.path, '--image', `${repository}:${tag}`);
        const { kind, mediaType, attestations, digest } = await inspect(tag);
        expect({ kind, mediaType, attestations: attestations.length }, tag).to.deep.equal(promised);
        expect([status, image.digest, made?.pushed, made?.digest], tag).to.deep.equal([
          ...['succeeded', digest, true, digest],
        ]);
        expect(await running(), tag).to.deep.equal([['started', `${repository}@${digest}`]]);
        const again = await deploy(context.path, '--image', `${repository}:${tag}`);
        expect([again.image.digest, again.build], 'found by the next').to.deep.equal([digest, undefined]);
      }
    });

    it('without provenance whatever the configuration asks for, where the target takes no index', async () => {
      await configure('[build]\nprovenance = "min"\n');
      const indexed = await build('indexless', 'min');
      const { result, adaptations } = await deployToIndexless(stage, {
        ...{ image: `${repository}:indexless`, context: context.path, build: 'always' },
        dockerHost: engine.dockerHost,
      });
      expect(adaptations.map((step) => step?.action)).to.deep.equal(['none', 'none']);
      const found = await inspect('indexless');
      expect(found).to.deep.include({ ...ONE_MANIFEST, attestations: [], digest: result.image.digest });
      expect(found.digest).to.not.equal(indexed.digest);
      expect(await running()).to.deep.equal([['started', `${repository}@${found.digest}`]]);
    });

    it('pinned, where --provenance insists on an index that the target does not take', async () => {
      const { result, adaptations } = await deployToIndexless(stage, {
        ...{ image: `${repository}:insisted`, context: context.path, provenance: 'min' },
        dockerHost: engine.dockerHost,
      });
      expect(adaptations.map((step) => step?.action)).to.deep.equal(['pin', 'pin']);
      const found = await inspect('insisted');
      expect([found.kind, found.attestations.length]).to.deep.equal(['index', 1]);
      expect(result.image.digest).to.equal(found.platforms[0]?.digest);
      expect(await running()).to.deep.equal([['started', `${repository}@${result.image.digest}`]]);
    });
  });
});
