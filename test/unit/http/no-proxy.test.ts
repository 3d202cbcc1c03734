import { expect } from 'chai';
import { isExceptedFromProxy } from '../../../src/http/no-proxy.js';

describe('NO_PROXY', () => {
  // As golang.org/x/net/http/httpproxy answers.
  const CASES: Readonly<Record<string, { readonly yes: readonly string[]; readonly no: readonly string[] }>> =
    {
      '*': { yes: ['https://registry.test', 'http://10.0.0.1'], no: [] },
      'corp.test': {
        yes: ['https://corp.test', 'https://registry.corp.test', 'https://CORP.test:8443'],
        no: ['https://mycorp.test', 'https://corp.test.evil.test'],
      },
      '.corp.test': { yes: ['https://registry.corp.test'], no: ['https://corp.test'] },
      '*.corp.test': { yes: ['https://a.b.corp.test'], no: ['https://corp.test'] },
      'corp.test:8443': {
        yes: ['https://corp.test:8443', 'https://a.corp.test:8443'],
        no: ['https://corp.test'],
      },
      'corp.test:443': { yes: ['https://corp.test'], no: ['http://corp.test'] },
      '10.1.0.0/16': { yes: ['https://10.1.2.3', 'https://10.1.2.3:5000'], no: ['https://10.2.0.1'] },
      '10.1.2.3': { yes: ['http://10.1.2.3:5000'], no: ['http://10.1.2.4', 'http://x10.1.2.3.test'] },
      '10.1.2.3:5000': { yes: ['http://10.1.2.3:5000'], no: ['http://10.1.2.3'] },
      'fd00::/8': { yes: ['https://[fd12::1]:5000'], no: ['https://[fe80::1]', 'https://10.0.0.1'] },
      'fd00::1': { yes: ['https://[fd00::1]', 'https://[fd00:0::1]:5000'], no: ['https://[fd00::2]'] },
      '[fd00::1]:5000': { yes: ['https://[fd00::1]:5000'], no: ['https://[fd00::1]'] },
      ' a.test , b.test ': { yes: ['https://a.test', 'https://b.test'], no: ['https://c.test'] },
      '': { yes: [], no: ['https://a.test'] },
      ',, ,:80,/8,10.0.0.0/,10.0.0.0/99,10.0.0.0/x,*.': {
        yes: [],
        no: ['https://a.test', 'http://10.0.0.1'],
      },
    };
  for (const [value, { yes, no }] of Object.entries(CASES)) {
    it(`"${value}" excepts ${yes.join(', ') || 'nothing'}${no.length > 0 ? `, and not ${no.join(', ')}` : ''}`, () => {
      const excepted = (url: string): boolean => isExceptedFromProxy(new URL(url), value);
      expect(yes.filter((url) => !excepted(url))).to.deep.equal([]);
      expect(no.filter(excepted)).to.deep.equal([]);
    });
  }
});
