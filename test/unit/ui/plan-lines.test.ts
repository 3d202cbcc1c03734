import { expect } from 'chai';
import { digestOf } from '../../../src/oci/digest.js';
import { planLines } from '../../../src/ui/plan-lines.js';

const DIGEST = digestOf('shop');
const IMAGE = `localhost:5001/shop@${DIGEST}`;
const OF = { app: 'shop', target: 'fly', release: { id: 'r3', version: 3 } };

describe('a plan, for a person', () => {
  it('says nothing twice: an image that is asked for by digest, a step that does what it is called', () => {
    const lines = planLines({
      ...OF,
      image: { requested: IMAGE, deployed: IMAGE, digest: DIGEST },
      steps: [
        { step: 'build', action: 'skip', summary: 'found remotely' },
        { step: 'release', action: 'release', summary: 'Release v3: v1 again' },
      ],
      writes: [
        { method: 'POST', url: 'http://127.0.0.1:4280/v1/apps/shop/machines/m1', summary: 'update m1' },
      ],
    });
    expect(lines).to.deep.equal([
      `Plan for shop on fly: ${IMAGE}`,
      '  build    skip     found remotely',
      '  release           Release v3: v1 again',
      'It would write:',
      '  POST http://127.0.0.1:4280/v1/apps/shop/machines/m1  update m1',
      'Nothing was changed (--dry-run).',
    ]);
  });

  it('names what an image is deployed as, and that nothing would be written', () => {
    const lines = planLines({
      ...OF,
      image: { requested: 'localhost:5001/shop:v1', deployed: IMAGE, digest: DIGEST },
      steps: [],
      writes: [],
    });
    expect(lines[0]).to.equal(`Plan for shop on fly: localhost:5001/shop:v1 as ${IMAGE}`);
    expect(lines[1]).to.equal('Nothing would be written.');
  });
});
