import { expect } from 'chai';
import { whyNotLocal } from '../../../src/emulator/loopback.js';

describe('Requests to a loopback server', () => {
  for (const host of [
    'localhost',
    'LOCALHOST:5001',
    '127.0.0.1:5001',
    '127.8.9.10',
    '[::1]:5001',
    'a.localhost:1',
  ]) {
    it(`are local with Host ${host}`, () => {
      expect(whyNotLocal({ host })).to.equal(undefined);
    });
  }

  for (const host of [
    undefined,
    '',
    'rebound.example',
    '127.0.0.1.rebound.example:5001',
    'localhost.rebound.example',
    'rebound.example#localhost',
    'x@localhost',
    '127.0.0.999',
    '0.0.0.0:5001',
    '10.0.0.1',
    '[::2]',
    'localhost:5001, rebound.example',
  ]) {
    it(`are not local with Host ${host}`, () => {
      expect(whyNotLocal({ host })).to.match(/Host/);
    });
  }

  it('are not local when they come from a web page of elsewhere', () => {
    expect(whyNotLocal({ host: 'localhost', origin: 'https://page.example' })).to.match(/web pages/);
    expect(whyNotLocal({ host: 'localhost', origin: 'null' })).to.match(/web pages/);
    expect(whyNotLocal({ host: 'localhost', origin: 'http://localhost:3000' })).to.equal(undefined);
  });
});
