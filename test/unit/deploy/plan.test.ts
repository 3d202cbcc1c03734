import { expect } from 'chai';
import type { DeployConfig } from '../../../src/config/deploy-config.js';
import { decideAdaptation } from '../../../src/deploy/adaptation.js';
import { requirePlatform } from '../../../src/deploy/asked-platform.js';
import type { DeployRequest } from '../../../src/deploy/deploy.js';
import { makePlan, planDocument, type PlanInputs, type PlannedPush } from '../../../src/deploy/plan.js';
import type { Capabilities } from '../../../src/image/capabilities.js';
import type { ImageShape } from '../../../src/image/shape.js';
import { DeployerError } from '../../../src/lib/errors.js';
import type { Platform } from '../../../src/oci/descriptor.js';
import { digestOf } from '../../../src/oci/digest.js';
import { MEDIA_TYPE } from '../../../src/oci/media-types.js';
import { parseReference } from '../../../src/oci/reference.js';
import { flyCapabilities } from '../../../src/targets/fly/capabilities.js';
import type { OwnRepository, ReleasePlan, ReleaseRequest, Target } from '../../../src/targets/target.js';

const AMD64: Platform = { os: 'linux', architecture: 'amd64' };
const ARM64: Platform = { os: 'linux', architecture: 'arm64' };

describe('The plan of a deploy', () => {
  it('hands an index with its attestation over by its own digest to a target that takes indexes', () => {
    const plan = planFor(flyCapabilities, buildxShape());
    expect(plan.image).to.deep.equal({
      requested: 'registry.example/app:v1',
      deployed: `registry.example/app@${INDEX}`,
      digest: INDEX,
    });
    expect(plan.steps[0]).to.include({ step: 'adapt', action: 'none' });
  });

  it("pins the platform's own manifest for a target that takes no index", () => {
    const plan = planFor({ ...flyCapabilities, index: false, attestation: false }, buildxShape());
    expect(plan.image.deployed).to.equal(`registry.example/app@${AMD64_IMAGE}`);
    expect(plan.steps[0]).to.include({ step: 'adapt', action: 'pin' });
    expect(plan.steps[0]?.summary).to.match(/linux\/amd64.*takes no index/);
  });

  it("pins the platform's own manifest for a target that takes indexes but no attestation", () => {
    const plan = planFor({ ...flyCapabilities, attestation: false }, buildxShape());
    expect(plan.image.digest).to.equal(AMD64_IMAGE);
  });

  it('pins the platform that the user asks for', () => {
    const target = { ...flyCapabilities, platforms: [AMD64, ARM64] };
    expect(planFor(target, multiShape(), { platform: ARM64 }).image.digest).to.equal(ARM64_IMAGE);
  });

  it('refuses to hand over a platform that the target does not run, whatever the image holds', () => {
    const error = refusal(() => planFor(flyCapabilities, multiShape(), { platform: ARM64 }));
    expect(error).to.include({ code: 'platform_not_found', exit: 5 });
    expect(error.message).to.equal('--platform: example-target runs linux/amd64 only, not linux/arm64');
    expect(error.suggestions).to.deep.equal(['leave --platform out, or --platform linux/amd64']);
  });

  it('refuses an image for another platform, saying what is there and how to build the right one', () => {
    const shape: ImageShape = { kind: 'manifest', images: [image(ARM64_IMAGE, ARM64)], attestations: [] };
    const error = refusal(() => planFor(flyCapabilities, shape));
    expect(error).to.include({ code: 'platform_not_found', exit: 5 });
    expect(error.message).to.include('needs linux/amd64').and.include('linux/arm64');
    expect(error.suggestions.join()).to.include('--platform linux/amd64');
  });

  it('refuses what holds no container image at all', () => {
    const error = refusal(() => planFor(flyCapabilities, { kind: 'index', images: [], attestations: [] }));
    expect(error).to.include({ code: 'image_incompatible', exit: 5 });
  });

  it("refuses an image in a registry that the target can't pull from", () => {
    const error = refusal(() =>
      planFor({ ...flyCapabilities, registries: ['*.elsewhere.example'] }, buildxShape()),
    );
    expect(error).to.include({ code: 'image_incompatible', exit: 5 });
  });

  describe('of an image that lies where the target can not pull it', () => {
    const OWN = { domain: 'registry.target.example', path: 'example' };
    const nowhere = (): Partial<PlanInputs<undefined>> => {
      const { stored, isPrivate } = foundIndex();
      return { found: { stored, isPrivate }, requested: 'oci:image' };
    };

    it("goes to the target's own registry, whatever keeps the target from it", () => {
      const cases: [Capabilities, Partial<PlanInputs<undefined>>, RegExp][] = [
        [flyCapabilities, nowhere(), /^none needed: .*; copied to .*: it lies in no registry; deployed as /],
        [flyCapabilities, { found: { ...foundIndex(), isPrivate: true } }, /private in registry\.example/],
        [{ ...flyCapabilities, registries: [OWN.domain] }, {}, /pulls from its own registries only/],
        [{ ...flyCapabilities, index: false }, nowhere(), /^pinned to linux\/amd64: .*; copied to /],
      ];
      for (const [capabilities, change, says] of cases) {
        const plan = planFor(capabilities, buildxShape(), change, OWN);
        expect(plan.image.deployed).to.equal(`registry.target.example/example@${PUSHED}`);
        expect(plan.steps[0]?.summary).to.match(says).and.contain('registry.target.example/example');
        expect(plan.steps[2]).to.include({ step: 'push', action: 'copy' });
      }
    });

    it('is converted on its way where the target takes the other form alone, and the plan says so first', () => {
      const heroku = { ...flyCapabilities, oci: false, index: false, registries: [OWN.domain] };
      const shape: ImageShape = { kind: 'manifest', images: [image(AMD64_IMAGE, AMD64)], attestations: [] };
      const plan = planFor(heroku, shape, {}, OWN);
      expect(plan.steps[0]).to.include({ step: 'adapt', action: 'convert' });
      expect(plan.steps[0]?.summary).to.match(
        /^linux\/amd64 converted: .*Docker media types only; copied to /,
      );
    });

    it('is announced write by write, before those of the release; what is there already is not', () => {
      const { writes } = planFor(flyCapabilities, buildxShape(), nowhere(), OWN);
      expect(writes.map(({ method, url }) => `${method} ${url}`)).to.deep.equal([
        'POST https://registry.target.example/v2/example/blobs/uploads/',
        'PUT https://registry.target.example/v2/example/blobs/uploads/',
        'PUT https://registry.target.example/v2/example/manifests/',
        'PUT https://registry.target.example/v2/example/manifests/deployer-1',
        'POST https://api.example/machines',
      ]);
      const again = planFor(flyCapabilities, buildxShape(), nowhere(), OWN, true);
      expect(again.steps[2]).to.deep.equal({ step: 'push', action: 'skip', summary: 'already there' });
      expect(again.writes).to.deep.equal([WRITE]);
    });

    it('is refused where no registry of the target is known, with what has to be said', () => {
      const local = refusal(() => planFor(flyCapabilities, buildxShape(), nowhere()));
      expect(local).to.include({ code: 'image_source_unsupported', exit: 2 });
      const unsaid = refusal(() =>
        planFor(flyCapabilities, buildxShape(), nowhere(), { missing: 'say where: REGISTRY=' }),
      );
      expect(unsaid.suggestions[0]).to.equal('say where: REGISTRY=');
    });
  });

  it("announces every write of the release, and keeps the target's own part to itself", () => {
    const shown = planDocument(planFor(flyCapabilities, buildxShape()));
    expect(shown.writes).to.deep.equal([WRITE]);
    expect(shown.release).to.deep.equal({ id: 'release-1', version: 12, previous: 11 });
  });
});

const INDEX = digestOf('index');
const PUSHED = digestOf('pushed');
const AMD64_IMAGE = digestOf('amd64');
const ARM64_IMAGE = digestOf('arm64');
const WRITE = { method: 'POST', url: 'https://api.example/machines', summary: 'create a machine' };

const config: DeployConfig = {
  appFlags: '',
  target: 'fly',
  app: 'example',
  env: {},
  strategy: 'rolling',
  waitTimeoutMs: 300_000,
  sources: {},
};

type Asked = Omit<PlanInputs<undefined>, 'platform'> & Pick<DeployRequest, 'platform'>;

function planFor(
  capabilities: Capabilities,
  shape: ImageShape,
  { platform, ...change }: Partial<Asked> = {},
  own?: OwnRepository,
  present = false,
) {
  const target = recordingTarget(capabilities, own);
  const inputs: PlanInputs<undefined> = {
    config,
    requested: 'registry.example/app:v1',
    found: foundIndex(),
    shape,
    state: undefined,
    releaseId: 'release-1',
    rollback: true,
    detach: false,
    lockWaitMs: 0,
    ...change,
    platform: requirePlatform(platform, target),
  };
  const adapted = decideAdaptation(target, inputs);
  return makePlan(target, inputs, adapted, adapted.to && pushTo(adapted.to, present));
}

function pushTo(to: { readonly domain: string; readonly path: string }, present: boolean): PlannedPush {
  const url = `https://${to.domain}/v2/${to.path}`;
  return {
    ...{ to: { ...to, tag: 'deployer-1' }, url, digest: PUSHED },
    ...{ blobs: 3, bytes: 12_000_000, manifests: 2, present },
  };
}

/** Plans what it is asked and can do nothing else: the plan is what is looked at here. */
function recordingTarget(capabilities: Capabilities, own: OwnRepository | undefined): Target<undefined> {
  const unexpected = (): never => {
    throw new Error('planning reads and writes nothing');
  };
  return {
    name: 'example-target',
    capabilities,
    ...(own && { repositoryFor: () => own }),
    plan: ({ image: deployed, releaseId }: ReleaseRequest): ReleasePlan => ({
      release: { id: releaseId, version: 12, previous: 11 },
      image: deployed,
      writes: [WRITE],
      summary: 'rolling, 1 machine',
    }),
    inspect: unexpected,
    release: unexpected,
    status: unexpected,
    releases: unexpected,
  };
}

function foundIndex(): PlanInputs<undefined>['found'] {
  return {
    isPrivate: false,
    reference: parseReference('registry.example/app:v1'),
    stored: { digest: INDEX },
  };
}

function image(digest: typeof INDEX, platform: Platform) {
  return { digest, platform, mediaType: MEDIA_TYPE.ociManifest, size: 500 };
}

function buildxShape(): ImageShape {
  const attestation = { mediaType: MEDIA_TYPE.ociManifest, digest: digestOf('attestation'), size: 500 };
  return {
    kind: 'index',
    images: [image(AMD64_IMAGE, AMD64)],
    attestations: [{ descriptor: attestation, subject: AMD64_IMAGE }],
  };
}

function multiShape(): ImageShape {
  return { kind: 'index', images: [image(AMD64_IMAGE, AMD64), image(ARM64_IMAGE, ARM64)], attestations: [] };
}

function refusal(act: () => unknown): DeployerError {
  try {
    act();
  } catch (error) {
    if (error instanceof DeployerError) return error;
    throw error;
  }
  throw new Error('was not refused');
}
