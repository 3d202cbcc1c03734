import { expect } from 'chai';
import type { Digest } from '../../src/oci/digest.js';
import { knownPlatforms } from '../../src/targets/known-platforms.js';
import { diagnose } from '../support/diagnose.js';
import { startDockerRegistry, type DockerRegistry } from '../support/docker-registry.js';
import {
  buildxIndex,
  dockerImage,
  index,
  LINUX_ARM64,
  multiPlatformIndex,
  nestedIndex,
  ociImage,
  type FixtureManifest,
} from '../support/image-fixtures.js';
import { documentIn, failureIn } from '../support/json-documents.js';
import { runProgram, type Finished } from '../support/program.js';
import { pushFixture } from '../support/push-fixture.js';
import { requires } from '../support/requirements.js';
import { setStage, type Stage } from '../support/stage.js';

const SMALL = { runnable: false } as const;
const ZSTD = { ...SMALL, layerMediaType: 'application/vnd.oci.image.layer.v1.tar+zstd' };

describe('deployer image diagnose', function () {
  requires('docker-registry');
  this.timeout(120_000);
  let registry: DockerRegistry;
  let stage: Stage;
  before(async () => {
    [registry, stage] = await Promise.all([startDockerRegistry({ delete: true }), setStage()]);
  });
  after(async () => {
    await registry.stop();
    await stage[Symbol.asyncDispose]();
  });

  async function pushed(repository: string, image: FixtureManifest): Promise<string> {
    await pushFixture({ url: registry.url, repository }, 'v1', image);
    return `${registry.host}/${repository}:v1`;
  }

  const run = (name: string, ...args: string[]): Promise<Finished> =>
    runProgram(['image', 'diagnose', name, ...args]);

  it('answers with --target whether that one can run it: 0 also when something has to be done first, else 5', async () => {
    const arm = await pushed('arm', await ociImage({ ...SMALL, platform: LINUX_ARM64 }));
    for (const target of ['ecs', 'lambda']) expect((await run(arm, '--target', target)).code).to.equal(0);
    const fly = await run(arm, '--target', 'fly', '--json');
    expect(failureIn(fly)).to.include({ code: 'platform_not_found', exitCode: 5 });
    const { targets, suggestions } = documentIn('diagnosis', fly.stdout);
    expect(targets.map(({ name, runs }) => `${name} ${runs}`)).to.deep.equal(['fly false']);
    expect(suggestions).to.deep.equal([
      `for fly: deployer build . --tag ${arm} --platform linux/amd64 --push`,
    ]);

    const zstd = await pushed('zstd', await ociImage(ZSTD));
    expect(failureIn(await run(zstd, '--target', 'docker', '--json')).code).to.equal('image_incompatible');
    expect((await run(zstd)).code, 'without a target it is only asked whether it is there').to.equal(0);
  });

  it('answers with --complete whether all of it is there, and says on stdout and stderr what is not', async () => {
    const image = await multiPlatformIndex('oci', SMALL);
    const name = await pushed('hole', image);
    expect((await run(name, '--complete')).code).to.equal(0);
    const child = image.children[1]?.digest;
    await fetch(`${registry.url}/v2/hole/manifests/${child}`, { method: 'DELETE' });
    const { code, stdout, stderr } = await run(name, '--complete');
    expect(code).to.equal(5);
    expect(stdout).to.contain(`✖ manifest ${child} is missing, breaks linux/arm64`);
    expect(stderr).to.match(/^✖ .+ is there, but a part of it can't be had\n {2}manifest sha256:/);
  });

  describe('suggests commands', () => {
    const SHAPES: Readonly<Record<string, () => Promise<FixtureManifest>>> = {
      attested: () => buildxIndex(SMALL),
      'attested-arm': () => buildxIndex({ ...SMALL, platform: LINUX_ARM64 }),
      oci: () => ociImage(SMALL),
      docker: () => dockerImage(SMALL),
      'oci-arm': () => ociImage({ ...SMALL, platform: LINUX_ARM64 }),
      multi: () => multiPlatformIndex('oci', SMALL),
      'multi-docker': () => multiPlatformIndex('docker', SMALL),
      nested: () => nestedIndex(SMALL),
      'multi-attested': async () =>
        index([
          ...(await buildxIndex(SMALL)).children,
          ...(await buildxIndex({ ...SMALL, platform: LINUX_ARM64 })).children,
        ]),
      zstd: () => buildxIndex(ZSTD),
    };

    /** With something real where the command has a place to fill in. */
    const filledIn = (command: string): string =>
      command
        .replace('ACCOUNT.dkr.ecr.REGION.amazonaws.com/APP', `${registry.host}/lambda/app`)
        .replace('registry.heroku.com/APP/web', `${registry.host}/heroku/app`)
        .replace('REGION-docker.pkg.dev/PROJECT/REPOSITORY/APP', `${registry.host}/cloudrun/app`)
        .replace(' APP', ' shop');

    /** What the targets need of this image once it lies where they pull from. */
    async function needs(image: string): Promise<Record<string, string>> {
      const there = knownPlatforms.map((platform) => ({
        ...platform,
        capabilities: { ...platform.capabilities, registries: 'any' as const },
      }));
      const { targets } = await diagnose(image, { platforms: there });
      return Object.fromEntries(targets.map(({ name, adaptation }) => [name, adaptation]));
    }

    for (const [shape, make] of Object.entries(SHAPES)) {
      it(`that work, and after which each can run it (${shape})`, async () => {
        const name = await pushed(`shapes/${shape}`, await make());
        const { suggestions, targets } = documentIn('diagnosis', (await run(name, '--json')).stdout);
        const helped: string[] = [];
        for (const suggestion of suggestions) {
          const [, whom = '', command = ''] = /^for ([^:]+): (.+)$/.exec(suggestion) ?? [];
          helped.push(...whom.split(', '));
          // A build has its own test, with a modern engine.
          if (command.startsWith('deployer build ')) continue;
          const [program, ...args] = filledIn(command).split(' ');
          expect(program).to.equal('deployer');
          const { code, stdout, stderr } = await stage.run([...args, '--json']);
          expect(code, `${command}\n${stdout}${stderr}`).to.equal(0);
          if (args[0] === 'deploy') continue;
          const { destination } = JSON.parse(stdout) as { destination: string; digest: Digest };
          for (const one of whom.split(', ')) {
            if (one === 'clients of before 2023') {
              const { clients } = await diagnose(destination);
              expect(clients.find((client) => client.name === 'docker-only')?.found).to.equal(true);
            } else expect(await needs(destination), `${one}: ${command}`).to.include({ [one]: 'none' });
          }
        }
        const needy = targets.filter(({ adaptation }) => adaptation !== 'none').map((target) => target.name);
        expect(helped, 'everyone who needs something').to.include.members(needy);
      });
    }
  });
});
