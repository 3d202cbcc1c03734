import { expect } from 'chai';
import {
  chooseBuilder,
  refuseBeyondClassic,
  type ClassicRequest,
} from '../../../../src/engine/build/builder.js';
import { decideOutput } from '../../../../src/engine/build/output.js';
import type { EngineCapabilities } from '../../../../src/engine/capabilities.js';
import { thrownBy } from '../../../support/failure.js';

const NEEDED = 'it takes Docker Engine 24 or later with the containerd image store';
const WITH_STORE =
  'build with Docker Engine 24 or later (DOCKER_HOST), with the store turned on in /etc/docker/daemon.json: {"features": {"containerd-snapshotter": true}}';
const AMD64 = { os: 'linux', architecture: 'amd64' };
const ARM64 = { os: 'linux', architecture: 'arm64' };
const CACHE = { type: 'registry', attributes: { ref: 'r.example/cache:1' } } as const;
const PLAIN = { provenance: 'off', platforms: [AMD64], cacheFrom: [], cacheTo: [], push: 'none' } as const;

const DOCKER_20: EngineCapabilities = {
  ...{ product: 'docker', version: '20.10.24', apiVersion: '1.41', buildKit: true },
  ...{ store: 'graphdriver', platform: 'linux/amd64' },
};
const DOCKER_28: EngineCapabilities = { ...DOCKER_20, version: '28.0.0', apiVersion: '1.48' };
const PODMAN: EngineCapabilities = { ...DOCKER_20, product: 'podman', version: '4.3.1', buildKit: false };

describe('what an engine can not build', () => {
  for (const [what, asked] of [
    ['a provenance', { provenance: 'min' }],
    ['several platforms', { platforms: [AMD64, ARM64] }],
    ['a cache that is pushed', { cacheTo: [CACHE] }],
    ['a push straight from the build', { push: 'direct' }],
  ] as const) {
    it(`is refused with the engine that it takes: ${what}`, () => {
      const old = thrownBy(() => decideOutput({ ...PLAIN, ...asked }, DOCKER_20));
      expect(old.code).to.equal('build_unavailable');
      expect(old.evidence).to.include(NEEDED);
      expect(old.suggestions.at(-1)).to.match(
        /^or build with Docker Engine 24 or later \(DOCKER_HOST\), with the store .*daemon\.json: \{/,
      );
      const recent = thrownBy(() => decideOutput({ ...PLAIN, ...asked }, DOCKER_28));
      expect(recent.evidence).to.include(NEEDED);
      expect(recent.suggestions.at(-1)).to.match(/^or turn the store on, .*daemon\.json: \{/);
    });
  }

  it('a provenance is refused without BuildKit too: by Podman, and by a Docker that other settings would not help', () => {
    for (const provenance of ['min', 'max'] as const) {
      for (const engine of [PODMAN, DOCKER_20]) {
        const error = refusedBy(engine, { provenance });
        expect(error.code).to.equal('build_unavailable');
        expect(error.message).to.contain(`--provenance ${provenance}: `).and.contain(engine.version);
        expect(error.evidence).to.include(NEEDED);
        expect(error.suggestions).to.deep.equal([WITH_STORE, 'or leave it out: --provenance off']);
      }
      expect(refusedBy(DOCKER_28, { provenance }).suggestions[0]).to.contain('unset DOCKER_BUILDKIT');
    }
  });

  it('what takes the store is refused without BuildKit with the same requirement as with it', () => {
    for (const asked of [{ platforms: [AMD64, ARM64] }, { cacheTo: [CACHE] }]) {
      for (const engine of [PODMAN, DOCKER_20]) {
        const error = refusedBy(engine, asked);
        expect(error.evidence).to.include(NEEDED);
        expect(error.suggestions[0]).to.equal(WITH_STORE);
        if (engine !== DOCKER_20) continue;
        const withBuildKit = thrownBy(() => decideOutput({ ...PLAIN, ...asked }, engine));
        expect(withBuildKit.suggestions.at(-1)).to.equal(`or ${WITH_STORE}`);
      }
      const [buildKit, store] = refusedBy(DOCKER_28, asked).suggestions;
      expect(buildKit).to.contain('unset DOCKER_BUILDKIT');
      expect(store).to.match(/^and turn the store on, /);
    }
    expect(refusedBy(DOCKER_20, { cacheFrom: [CACHE] }).suggestions[0]).to.contain('unset DOCKER_BUILDKIT');
  });
});

function refusedBy(engine: EngineCapabilities, asked: Partial<ClassicRequest>) {
  const builder = chooseBuilder(engine, '0');
  if (builder.kind !== 'classic') throw new Error('it builds with BuildKit');
  return thrownBy(() => refuseBeyondClassic({ ...PLAIN, secretIds: [], hasSsh: false, ...asked }, builder));
}
