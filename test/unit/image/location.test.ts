import { expect } from 'chai';
import fc from 'fast-check';
import { formatImageLocation, parseImageLocation } from '../../../src/image/location.js';
import { digestOf } from '../../../src/oci/digest.js';
import { DeployerError } from '../../../src/lib/errors.js';
import { thrownBy } from '../../support/failure.js';

describe('Where an image lies', () => {
  it('is a layout, with a tag, a digest or neither', () => {
    const digest = digestOf('x');
    expect(parseImageLocation('oci:build/image')).to.deep.equal({
      kind: 'oci',
      folder: 'build/image',
      choice: {},
    });
    expect(parseImageLocation('oci:/a/b:v1')).to.deep.equal({
      kind: 'oci',
      folder: '/a/b',
      choice: { tag: 'v1' },
    });
    expect(parseImageLocation(`oci:./x@y@${digest}`)).to.deep.equal({
      kind: 'oci',
      folder: './x@y',
      choice: { digest },
    });
    expect(parseImageLocation('oci:C:\\images\\app:v1')).to.deep.include({ folder: 'C:\\images\\app' });
  });

  it('is an archive, with the name of an image in it or without', () => {
    expect(parseImageLocation('docker-archive:app.tar')).to.deep.equal({
      kind: 'docker-archive',
      file: 'app.tar',
    });
    expect(parseImageLocation('docker-archive:app.tar:team/app:v1')).to.deep.equal({
      ...{ kind: 'docker-archive', file: 'app.tar', name: 'team/app:v1' },
    });
  });

  it('is a registry otherwise, also where a repository is called oci or docker', () => {
    for (const text of ['app:v1', 'docker:dind', 'registry.fly.io/example:v1', 'oci/app:v1'])
      expect(parseImageLocation(text).kind, text).to.equal('registry');
  });

  it('of another tool has its equal here suggested', () => {
    for (const [text, word] of [
      ['docker-daemon:app:v1', 'docker save'],
      ['containers-storage:app', 'podman save'],
      ['oci-archive:app.tar', 'docker-archive:FILE'],
    ] as const) {
      const failure = thrownBy(() => parseImageLocation(text));
      expect(failure.code).to.equal('usage');
      expect(failure.suggestions.join(), text).to.contain(word);
    }
  });

  it('must be named', () => {
    for (const text of ['oci:', 'oci::v1', 'docker-archive:', 'oci:a\0b'])
      expect(thrownBy(() => parseImageLocation(text)).code, text).to.equal('usage');
    expect(thrownBy(() => parseImageLocation('')).code).to.equal('reference_invalid');
  });

  it('is printed as it is parsed; any text is a location or refused', () => {
    const text = fc.oneof(
      fc.string(),
      fc.string().map((rest) => `oci:${rest}`),
      fc.string().map((rest) => `docker-archive:${rest}`),
    );
    fc.assert(
      fc.property(text, (input) => {
        let location;
        try {
          location = parseImageLocation(input);
        } catch (error) {
          expect(error).to.be.instanceOf(DeployerError);
          return;
        }
        expect(parseImageLocation(formatImageLocation(location))).to.deep.equal(location);
      }),
    );
  });
});
