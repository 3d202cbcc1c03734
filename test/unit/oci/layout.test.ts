import { expect } from 'chai';
import { digestOf } from '../../../src/oci/digest.js';
import { chooseEntry, layoutProblem, withEntry, type LayoutChoice } from '../../../src/oci/layout.js';
import { parseManifest, type ImageIndex } from '../../../src/oci/manifest.js';
import { MEDIA_TYPE } from '../../../src/oci/media-types.js';
import { thrownBy } from '../../support/failure.js';

const entry = (name: string, annotations: Readonly<Record<string, string>> = {}) => ({
  mediaType: MEDIA_TYPE.ociManifest,
  digest: digestOf(name),
  size: name.length,
  ...(Object.keys(annotations).length > 0 && { annotations }),
});
const tagged = (name: string, tag: string) => entry(name, { 'org.opencontainers.image.ref.name': tag });

function indexOf(...manifests: readonly object[]): ImageIndex {
  const index = parseManifest(Buffer.from(JSON.stringify({ schemaVersion: 2, manifests })), '');
  if (index.kind !== 'index') throw new Error('no index');
  return index;
}
const choose = (index: ImageIndex, choice: LayoutChoice): string =>
  chooseEntry(index, choice, 'oci:DIR').digest;

describe('Which image of a layout is meant', () => {
  it('is the only one, when nothing is said', () => {
    expect(choose(indexOf(entry('a')), {})).to.equal(digestOf('a'));
    expect(choose(indexOf(tagged('a', 'v1')), {})).to.equal(digestOf('a'));
    expect(choose(indexOf(tagged('a', 'v1'), tagged('a', 'latest')), {})).to.equal(digestOf('a'));
  });

  it('is the one with a name, when the others have none, or are about it', () => {
    const platform = { platform: { os: 'linux', architecture: 'amd64' } };
    expect(choose(indexOf({ ...entry('child'), ...platform }, tagged('index', 'v1')), {})).to.equal(
      digestOf('index'),
    );
    expect(choose(indexOf(entry('a'), { ...entry('sbom'), artifactType: 'text/sbom' }), {})).to.equal(
      digestOf('a'),
    );
  });

  it('is told by a tag, by the end of a name, or by the digest', () => {
    const named = entry('b', { 'io.containerd.image.name': 'docker.io/library/app:v2' });
    const index = indexOf(tagged('a', 'v1'), named);
    expect(choose(index, { tag: 'v1' })).to.equal(digestOf('a'));
    for (const tag of ['v2', 'app:v2', 'library/app:v2', 'docker.io/library/app:v2'])
      expect(choose(index, { tag }), tag).to.equal(digestOf('b'));
    expect(choose(index, { digest: digestOf('b') })).to.equal(digestOf('b'));
  });

  it('must be said when there are several, and how is suggested', () => {
    const failure = thrownBy(() => choose(indexOf(tagged('a', 'v1'), tagged('b', 'v2')), {}));
    expect(failure).to.include({ code: 'usage', exit: 2 });
    expect(failure.suggestions).to.deep.equal(['oci:DIR:v1', 'oci:DIR:v2']);
    const untagged = thrownBy(() => choose(indexOf(entry('a'), entry('b')), {}));
    expect(untagged.suggestions).to.include(`oci:DIR@${digestOf('a')}`);
  });

  it('is named as it would be taken, of an archive with its whole name', () => {
    const names = (tag: string, name: string): Record<string, string> => ({
      'org.opencontainers.image.ref.name': tag,
      'io.containerd.image.name': name,
    });
    const index = indexOf(
      entry('a', names('v1', 'docker.io/library/foo:v1')),
      entry('b', names('v1', 'docker.io/team/foo:v1')),
      entry('c', names('v1', 'localhost:5000/foo:v1')),
      entry('d'),
    );
    const saved = (tag: string) => thrownBy(() => chooseEntry(index, { tag }, 'docker-archive:b.tar'));
    const there = [
      'docker-archive:b.tar:foo:v1',
      'docker-archive:b.tar:team/foo:v1',
      'docker-archive:b.tar:localhost:5000/foo:v1',
      `docker-archive:b.tar:${digestOf('d')}`,
    ];
    expect(saved('foo:v2').evidence).to.deep.equal([`there: ${there.join(', ')}`]);
    expect(saved('v1').suggestions).to.deep.equal(there.slice(0, 3));
  });

  it('is not found under another tag or digest; what is there is named, cleaned', () => {
    const index = indexOf(tagged('a', 'v1\u001b[31m'));
    const failure = thrownBy(() => choose(index, { tag: 'v9' }));
    expect(failure).to.include({ code: 'tag_not_found', message: 'oci:DIR holds no image v9' });
    expect(failure.evidence).to.deep.equal(['there: oci:DIR:v1[31m']);
    expect(thrownBy(() => choose(index, { digest: digestOf('x') })).code).to.equal('digest_not_found');
    expect(thrownBy(() => choose(indexOf(), {})).evidence).to.deep.equal(['it holds none']);
  });
});

describe("A layout's index.json", () => {
  const parsed = (text: string): unknown => (JSON.parse(text) as { manifests: unknown }).manifests;

  it('gets an image more: it takes the place of what had its tag', () => {
    const first = withEntry(undefined, entry('a'), 'v1');
    const second = withEntry(withEntry(first, entry('b'), 'v2'), entry('c'), 'v1');
    expect(parsed(second)).to.deep.equal([tagged('b', 'v2'), tagged('c', 'v1')]);
  });

  it('holds an image without a tag once', () => {
    expect(
      parsed(withEntry(withEntry(undefined, entry('a'), undefined), entry('a'), undefined)),
    ).to.deep.equal([entry('a')]);
  });

  it('keeps what it does not know', () => {
    const before = { schemaVersion: 2, 'x-mine': [1], manifests: [{ ...entry('a'), 'x-other': true }] };
    const after = JSON.parse(withEntry(JSON.stringify(before), entry('b'), 'v1')) as typeof before;
    expect(after['x-mine']).to.deep.equal([1]);
    expect(after.manifests[0]).to.deep.equal(before.manifests[0]);
  });
});

describe("A layout's marker", () => {
  it('is read when it names version 1', () => {
    expect(layoutProblem('{"imageLayoutVersion":"1.0.0"}')).to.equal(undefined);
    expect(layoutProblem('{"imageLayoutVersion":"2.0.0"}')).to.contain('"2.0.0", not 1.0.0');
    expect(layoutProblem('{}')).to.contain('imageLayoutVersion');
    expect(layoutProblem('null')).to.contain('imageLayoutVersion');
    expect(layoutProblem('hello')).to.equal('it is not JSON');
  });
});
