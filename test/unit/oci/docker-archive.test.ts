import { expect } from 'chai';
import { chooseArchived } from '../../../src/oci/docker-archive.js';
import { thrownBy } from '../../support/failure.js';

describe('Which image of a docker archive is meant', () => {
  const image = (...repoTags: string[]) => ({ config: `${repoTags[0]}.json`, repoTags, layers: [] });
  const images = [image('docker.io/library/foo:v1'), image('localhost:5000/foo:v1', 'bar:v1')];

  it('is named as it would be taken when it is not the one', () => {
    const there = ['foo:v1', 'localhost:5000/foo:v1', 'bar:v1'].map((name) => `docker-archive:b.tar:${name}`);
    const missing = thrownBy(() => chooseArchived(images, 'foo:v2', 'docker-archive:b.tar'));
    expect(missing.code).to.equal('tag_not_found');
    expect(missing.evidence).to.deep.equal([`there: ${there.join(', ')}`]);
    const several = thrownBy(() => chooseArchived(images, undefined, 'docker-archive:b.tar'));
    expect(several.suggestions).to.deep.equal(there);
  });
});
