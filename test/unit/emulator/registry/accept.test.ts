import { expect } from 'chai';
import { legacyRefusal } from '../../../../src/emulator/registry/accept.js';
import { ACCEPT_ALL, ACCEPT_DOCKER, MEDIA_TYPE } from '../../../../src/oci/media-types.js';

describe('The Accept header, as docker-registry 2.8 reads it', () => {
  const { ociIndex, ociManifest, dockerList, dockerManifest } = MEDIA_TYPE;

  it('hides an OCI index from a client that names only the Docker types', () => {
    expect(legacyRefusal(ociIndex, ACCEPT_DOCKER.join(', '))).to.equal(
      'OCI index found, but accept header does not support OCI indexes',
    );
  });

  it('hides an OCI manifest likewise, in its own words', () => {
    expect(legacyRefusal(ociManifest, ACCEPT_DOCKER.join(', '))).to.equal(
      'OCI manifest found, but accept header does not support OCI manifests',
    );
  });

  it('takes no header and wildcards for a no', () => {
    for (const accept of [undefined, '', '*/*', 'application/*', 'application/json']) {
      expect(legacyRefusal(ociIndex, accept), String(accept)).to.be.a('string');
    }
  });

  it('does not take one OCI type for the other', () => {
    expect(legacyRefusal(ociIndex, ociManifest)).to.be.a('string');
    expect(legacyRefusal(ociManifest, ociIndex)).to.be.a('string');
  });

  it('hands out what is named, even with a q-value of zero', () => {
    expect(legacyRefusal(ociIndex, ACCEPT_ALL.join(','))).to.equal(undefined);
    expect(legacyRefusal(ociIndex, `text/html,  ${ociIndex} ;q=0`)).to.equal(undefined);
  });

  it('never hides the Docker types', () => {
    expect(legacyRefusal(dockerList, undefined)).to.equal(undefined);
    expect(legacyRefusal(dockerManifest, ociIndex)).to.equal(undefined);
  });
});
