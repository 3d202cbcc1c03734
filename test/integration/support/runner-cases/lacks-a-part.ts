import { requires } from '../../../support/requirements.js';

describe('a suite without its part', () => {
  requires('docker-registry', 'docker-engine');
  it('does the one thing', () => {
    throw new Error('must not run');
  });
  it('does the other thing', () => {
    throw new Error('must not run');
  });
});
