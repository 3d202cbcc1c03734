import { expect } from 'chai';
import { differencesFrom, type PromisedImage } from '../../../src/deploy/promised-image.js';
import { MEDIA_TYPE } from '../../../src/oci/media-types.js';
import { digestOf } from '../../../src/oci/digest.js';

type Platform = Parameters<typeof differencesFrom>[1]['platforms'][number];

const platform = (architecture: string): Platform => ({
  ...{ os: 'linux', architecture, size: 1, layers: [] },
  digest: digestOf(architecture),
});
const [AMD64, ARM64] = [platform('amd64'), platform('arm64')];

const attestationOf = ({ digest }: Platform) => ({
  digest: digestOf(`of ${digest}`),
  subject: digest,
  predicateTypes: [],
});
const PLAIN: PromisedImage['output'] = { store: 'containerd', mediaTypes: 'docker', provenance: 'off' };
const ATTESTED: PromisedImage['output'] = { store: 'containerd', mediaTypes: 'oci', provenance: 'max' };
const BOTH = [AMD64, ARM64];

describe('An image that was pushed, and what its build promised', () => {
  it('agree when kind, platforms and attestations are those', () => {
    const attestations = BOTH.map(attestationOf);
    const index = { mediaType: MEDIA_TYPE.ociIndex, platforms: BOTH, attestations };
    expect(differencesFrom({ output: ATTESTED, platforms: BOTH }, index)).to.deep.equal([]);
    const one = { mediaType: MEDIA_TYPE.dockerManifest, platforms: [AMD64], attestations: [] };
    for (const output of [PLAIN, { store: 'graphdriver' } as const]) {
      expect(differencesFrom({ output, platforms: [] }, one)).to.deep.equal([]);
      expect(differencesFrom({ output, platforms: [AMD64] }, one)).to.deep.equal([]);
    }
    const list = { mediaType: MEDIA_TYPE.dockerList, platforms: BOTH, attestations: [] };
    expect(differencesFrom({ output: PLAIN, platforms: BOTH }, list)).to.deep.equal([]);
  });

  it('differ in each thing that is said', () => {
    const pushed = {
      mediaType: MEDIA_TYPE.dockerManifest,
      platforms: [AMD64],
      attestations: [],
    };
    expect(
      differencesFrom({ output: ATTESTED, platforms: [ARM64, { ...AMD64, architecture: '386' }] }, pushed),
    ).to.deep.equal([
      'it is Docker manifest, not OCI index',
      'it has nothing for linux/arm64',
      'it has nothing for linux/386',
      'it has linux/amd64, which was not asked for',
      'linux/amd64 has no attestation of where it comes from',
    ]);
    expect(differencesFrom({ output: PLAIN, platforms: [ARM64] }, pushed)).to.deep.equal([
      'it is for linux/amd64, not for linux/arm64',
    ]);
    const half = { mediaType: MEDIA_TYPE.ociIndex, platforms: BOTH, attestations: [attestationOf(AMD64)] };
    expect(differencesFrom({ output: ATTESTED, platforms: BOTH }, half)).to.deep.equal([
      'linux/arm64 has no attestation of where it comes from',
    ]);
    const attested = { ...half, platforms: [AMD64] };
    expect(differencesFrom({ output: PLAIN, platforms: [] }, attested)).to.deep.equal([
      'it is OCI index, not Docker manifest',
      'it has an attestation',
    ]);
  });
});
