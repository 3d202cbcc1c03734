import { expect } from 'chai';
import { requirePlatform } from '../../../src/deploy/asked-platform.js';
import { chooseProvenance, platformToBuild } from '../../../src/deploy/build-plan.js';
import { buildWish } from '../../../src/deploy/build-wish.js';
import { parseImageLocation } from '../../../src/image/location.js';
import { DeployerError } from '../../../src/lib/errors.js';
import { flyCapabilities } from '../../../src/targets/fly/capabilities.js';

const FLY = { name: 'fly', capabilities: flyCapabilities };
const DOCKERFILE = { name: 'Dockerfile', read: () => Promise.reject(new Error('it is not read to decide')) };
const SOURCE = {
  named: [],
  ...{ context: '.', dockerfile: DOCKERFILE, buildArgs: {}, labels: {}, secrets: [] },
  ...{ noCache: false, provenance: 'auto' as const, cacheFrom: [], cacheTo: [], sshAgents: [] },
};

describe('A build within a deploy', () => {
  it('attests what the configuration asks for, and only to a target that takes it', () => {
    expect(chooseProvenance('auto', undefined, FLY).mode).to.equal('off');
    expect(chooseProvenance('auto', 'min', FLY).mode).to.equal('min');
    const noIndex = { name: 'other', capabilities: { ...flyCapabilities, index: false } };
    expect(chooseProvenance('auto', 'min', noIndex)).to.deep.equal({
      mode: 'off',
      reason: 'auto: other takes no index',
    });
    expect(chooseProvenance('max', undefined, noIndex).mode, 'told so').to.equal('max');
  });

  it('is for what the target runs, and for nothing else', () => {
    expect(platformToBuild(undefined, FLY)).to.deep.equal({ os: 'linux', architecture: 'amd64' });
    expect(() => platformToBuild(requirePlatform({ os: 'linux', architecture: 'arm64' }, FLY), FLY))
      .to.throw(DeployerError, 'fly runs linux/amd64 only')
      .with.property('code', 'platform_not_found');
  });

  it('is of a name in a registry; where it can not be the reason is kept, or the contradiction refused', () => {
    const wish = (image: string, when: 'missing' | 'always', accept: 'all' | 'docker' = 'all') =>
      buildWish({ accept, build: { when, source: SOURCE } }, parseImageLocation(image));
    expect(wish('registry.example/app', 'missing').toBuild?.reference.tag).to.equal('latest');
    const byDigest = `registry.example/app@sha256:${'a'.repeat(64)}`;
    expect(wish(byDigest, 'missing')).to.include({ builds: false }).and.have.property('whyNotBuilt');
    expect(wish('registry.example/app', 'missing', 'docker').builds).to.equal(false);
    for (const image of [byDigest, 'oci:folder', 'docker-archive:file'])
      expect(() => wish(image, 'always'))
        .to.throw(DeployerError, '--build always')
        .with.property('exit', 2);
    expect(() => wish('registry.example/app', 'always', 'docker')).to.throw(DeployerError, '--accept');
    expect(wish('oci:folder', 'missing'), 'the file names a Dockerfile').to.include({ builds: false });
    const source = { ...SOURCE, named: ['CONTEXT', '--label'] };
    expect(() =>
      buildWish({ accept: 'all', build: { when: 'missing', source } }, parseImageLocation('oci:folder')),
    )
      .to.throw(DeployerError, 'CONTEXT, --label: the image is read from a file')
      .with.property('exit', 2);
  });
});
