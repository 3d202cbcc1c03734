import { expect } from 'chai';
import { digestOf } from '../../../../src/oci/digest.js';
import { releasesOf } from '../../../../src/targets/fly/history.js';
import { machineOf } from './fixtures.js';

const config = (version: number, extra: Record<string, string> = {}) => ({
  image: `registry.fly.io/shop@${digestOf(`v${version}`)}`,
  metadata: { fly_release_version: String(version), fly_release_id: `r-${version}`, ...extra },
});

describe('the releases that machines remember', () => {
  it('are those of their versions and of now, newest first, with the time of the first machine', () => {
    const histories = ['a', 'b'].map((id, n) => ({
      // ULIDs: 2026-01-01T00:00:00Z and the same a second later.
      machine: { ...machineOf(id), instance_id: `01KDVM${n}000000000000000000`, config: config(2) },
      versions: [
        { version: `01KDVM${n}000000000000000000`, user_config: config(2) },
        { version: '01KDVK0000000000000000000', user_config: config(1) },
      ],
    }));
    expect(
      releasesOf(histories).map(({ record: { version, status, units, id } }) => [version, status, units, id]),
    ).to.deep.equal([
      [2, 'running', 2, 'r-2'],
      [1, 'past', 0, 'r-1'],
    ]);
  });

  it('tell which are the same as the present one, which put them back', () => {
    const again = { ...config(1), metadata: config(3).metadata };
    const machine = { ...machineOf('a'), instance_id: 'now', config: again };
    const versions = [2, 1].map((version) => ({ version: `was-${version}`, user_config: config(version) }));
    const releases = releasesOf([{ machine, versions }]);
    expect(releases.map(({ record: { version, sameAsPresent } }) => [version, sameAsPresent])).to.deep.equal([
      [3, undefined],
      [2, undefined],
      [1, true],
    ]);
  });

  it('dates a release by the names of its machine versions, where these tell the time', () => {
    const machine = (instance_id: string) => [{ machine: { ...machineOf('a'), instance_id }, versions: [] }];
    const [dated] = releasesOf(machine('01ARZ3NDEKTSV4RRFFQ69G5FAV'));
    expect(dated?.record.createdAt).to.equal('2016-07-30T23:54:10.259Z');
    const [undated] = releasesOf(machine('version-7'));
    expect(undated?.record).to.not.have.property('createdAt');
  });

  it('know of the release before even when the platform has forgotten its versions', () => {
    const previous = {
      deployer_previous_version: '8',
      deployer_previous_image: `shop@${digestOf('v8')}`,
    };
    const machine = { ...machineOf('a'), config: config(9, previous) };
    const releases = releasesOf([{ machine, versions: [] }]);
    expect(releases.map(({ record }) => record.version)).to.deep.equal([9, 8]);
    expect(releases[1]?.record).to.deep.include({ status: 'past', digest: digestOf('v8'), units: 0 });
  });

  it('take the digest of a release that was made by tag from what its successor noted', () => {
    const previous = { deployer_previous_version: '2', deployer_previous_image: `shop:v2@${digestOf('v2')}` };
    const machine = { ...machineOf('a'), config: config(3, previous) };
    const byTag = { ...config(2), image: 'shop:v2' };
    const releases = releasesOf([{ machine, versions: [{ version: 'old', user_config: byTag }] }]);
    expect(releases[1]?.record).to.deep.include({
      version: 2,
      image: `shop:v2@${digestOf('v2')}`,
      digest: digestOf('v2'),
    });
    expect(releases[1]?.config).to.equal(byTag);
  });

  it('are unproven where no end of their deploy was noted, as long as they run and after it', () => {
    // What is noted of a release stays with the machine's present version, and is remembered by the next.
    const noted = (version: number, health: string) =>
      config(version, { deployer_health: health, ...(version > 1 ? { deployer_last_failed: '1' } : {}) });
    const statuses = (present: number, health: string) =>
      releasesOf([
        {
          machine: { ...machineOf('a'), instance_id: 'now', config: noted(present, health) },
          versions: [
            { version: 'was-2', user_config: noted(2, 'pending') },
            { version: 'was-1', user_config: noted(1, 'pending') },
          ],
        },
      ]).map(({ record: { version, status } }) => `v${version} ${status}`);
    expect(statuses(2, 'pending')).to.deep.equal(['v2 unproven', 'v1 failed']);
    expect(statuses(3, 'healthy')).to.deep.equal(['v3 running', 'v2 unproven', 'v1 failed']);
  });

  it('prefer the image by digest: flyctl names it by tag in its older versions', () => {
    const machine = {
      ...machineOf('a'),
      config: { ...config(3), image: 'shop:v3' },
      image_ref: { digest: digestOf('v3') },
    };
    expect(releasesOf([{ machine, versions: [] }])[0]?.record).to.deep.include({
      image: `shop:v3@${digestOf('v3')}`,
      digest: digestOf('v3'),
    });
  });

  it('are none for machines that nobody released', () => {
    const machine = { ...machineOf('a'), config: { image: 'x' } };
    expect(releasesOf([{ machine, versions: [] }])).to.deep.equal([]);
  });
});
