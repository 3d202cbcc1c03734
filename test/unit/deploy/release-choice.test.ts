import { expect } from 'chai';
import { chooseRelease, presentRelease } from '../../../src/deploy/release-choice.js';
import { digestOf } from '../../../src/oci/digest.js';
import type { ReleaseRecord } from '../../../src/targets/target.js';

function release(
  version: number,
  status: ReleaseRecord['status'],
  units = 0,
  change: Partial<ReleaseRecord> = {},
): ReleaseRecord {
  const digest = digestOf(String(version));
  return { id: `id-${version}`, version, status, units, digest, image: `shop@${digest}`, ...change };
}

describe('The release that is meant', () => {
  const releases = [
    release(4, 'rolled-back'),
    release(3, 'running', 2),
    release(2, 'rolled-back'),
    release(1, 'past'),
  ];

  it('is the last one before the present that was not itself undone', () => {
    expect(presentRelease(releases)?.version).to.equal(3);
    expect(chooseRelease(releases, undefined, 'shop').version).to.equal(1);
  });

  it('is the older of two when a deploy broke off half way', () => {
    const half = [release(12, 'partial', 1), release(11, 'partial', 2), release(10, 'past')];
    expect(chooseRelease(half, undefined, 'shop').version).to.equal(11);
  });

  it('is one that was healthy, unless another is named', () => {
    const left = [
      release(4, 'failed', 2, { wasHealthy: false }),
      release(3, 'failed', 0, { wasHealthy: false }),
      release(2, 'past', 0, { wasHealthy: true }),
      release(1, 'past'),
    ];
    expect(chooseRelease(left, undefined, 'shop').version).to.equal(2);
    expect(chooseRelease(left, 'v3', 'shop').version).to.equal(3);
    const none = left.slice(0, 2);
    expect(() => chooseRelease(none, undefined, 'shop'))
      .to.throw('no release before the present one that was healthy')
      .with.property('suggestions')
      .that.includes('name one: deployer release rollback vN -a shop');
  });

  it('is none that is the same as what runs: to go back twice does not lead to and fro', () => {
    const back = [
      release(4, 'running', 2),
      release(3, 'failed', 0, { wasHealthy: false }),
      release(2, 'past', 0, { wasHealthy: true, sameAsPresent: true }),
      release(1, 'past'),
    ];
    expect(chooseRelease(back, undefined, 'shop').version).to.equal(1);
    expect(chooseRelease(back, 'v2', 'shop').version).to.equal(2);
  });

  for (const wanted of ['v1', '1', 'id-1'])
    it(`is found as ${wanted}`, () => {
      expect(chooseRelease(releases, wanted, 'shop').version).to.equal(1);
    });

  for (const wanted of ['v9', '', '-1', 'v1.0', 'id'])
    it(`is not there as "${wanted}": the answer names those that are`, () => {
      expect(() => chooseRelease(releases, wanted, 'shop'))
        .to.throw(`shop has no release ${wanted}`)
        .that.deep.includes({
          code: 'release_not_found',
          exit: 3,
          evidence: ['there: v4 (rolled-back), v3 (running), v2 (rolled-back), v1 (past)'],
          suggestions: ['deployer release list -a shop'],
        });
    });

  it('is none before the first', () => {
    expect(() => chooseRelease([release(1, 'running', 1)], undefined, 'shop')).to.throw(
      'shop has no release before the present one',
    );
  });
});
