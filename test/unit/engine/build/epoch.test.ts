import { expect } from 'chai';
import { decideEpoch, epochWarning } from '../../../../src/engine/build/epoch.js';
import { decideOutput } from '../../../../src/engine/build/output.js';
import { exporterOf } from '../../../../src/engine/build/query.js';
import type { EngineCapabilities } from '../../../../src/engine/capabilities.js';

function engineOf(apiVersion: string, store: EngineCapabilities['store']): EngineCapabilities {
  const docker = { product: 'docker', version: '0', buildKit: true, platform: 'linux/amd64' } as const;
  return { ...docker, apiVersion, store };
}

describe('SOURCE_DATE_EPOCH with an engine', () => {
  it('reaches what the engine can date by it, and a warning says what it can not', () => {
    for (const [apiVersion, store, reach, warning] of [
      ['1.41', 'graphdriver', 'nothing', /reaches only steps that ask for it/],
      ['1.42', 'containerd', 'nothing', /reaches only steps that ask for it/],
      ['1.43', 'graphdriver', 'config', /files in its layers keep the time of the build/],
      ['1.44', 'containerd', 'config', /files in its layers keep the time of the build/],
      ['1.51', 'graphdriver', 'config', /takes Docker Engine 26 or later with the containerd image store/],
      ['1.45', 'containerd', 'all', undefined],
    ] as const) {
      const epoch = decideEpoch(7, 'buildkit', engineOf(apiVersion, store));
      expect(epoch, `${apiVersion} ${store}`).to.deep.equal({ seconds: 7, reach });
      const said = epochWarning({ seconds: 7, reach });
      if (warning === undefined) expect(said).to.equal(undefined);
      else expect(said).to.match(warning);
    }
    const modern = engineOf('1.51', 'containerd');
    expect(decideEpoch(7, 'classic', modern)?.reach).to.equal('nothing');
    expect(decideEpoch(undefined, 'buildkit', modern)).to.equal(undefined);
  });

  it('changes the exporter where it reaches all, and nothing else', () => {
    const asked = { provenance: 'auto', platforms: [], cacheTo: [], push: 'none' } as const;
    const attributesWith = (sourceDateEpoch: number | undefined, engine: EngineCapabilities) =>
      exporterOf(
        decideOutput({ ...asked, ...(sourceDateEpoch === undefined ? {} : { sourceDateEpoch }) }, engine),
      );
    const modern = engineOf('1.45', 'containerd');
    const untouched = { type: 'moby', attributes: { 'oci-mediatypes': 'false' } };
    expect(attributesWith(undefined, modern)).to.deep.equal(untouched);
    expect(attributesWith(7, engineOf('1.44', 'containerd'))).to.deep.equal(untouched);
    expect(attributesWith(7, engineOf('1.51', 'graphdriver'))).to.deep.equal({
      type: 'moby',
      attributes: {},
    });
    expect(attributesWith(0, modern)).to.deep.equal({
      type: 'image',
      attributes: { 'oci-mediatypes': 'false', 'rewrite-timestamp': 'true' },
    });
  });
});
