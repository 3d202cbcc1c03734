import { expect } from 'chai';
import { statusLines } from '../../../src/ui/app-text.js';

describe('the status of an app, for a person', () => {
  it('says beside a machine why it does not run', () => {
    const machine = { health: 'unknown', releaseVersion: 2, region: 'ams' } as const;
    const lines = statusLines({
      app: 'shop',
      target: 'fly',
      machines: [
        { id: 'a1', state: 'starting', ...machine, reason: 'exited with code 3' },
        { id: 'a2', state: 'started', ...machine, health: 'passing' },
      ],
    });
    expect(lines.slice(1)).to.deep.equal([
      '  a1  starting  unknown  v2  ams  exited with code 3',
      '  a2  started   passing  v2  ams',
    ]);
  });
});
