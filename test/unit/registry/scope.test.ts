import { expect } from 'chai';
import { splitScopes, uniteScopes } from '../../../src/registry/scope.js';

describe('Scopes', () => {
  it('of one resource are one, with the actions of all, in their order', () => {
    expect(uniteScopes(['repository:app:pull'], ['repository:app:push,pull'])).to.deep.equal([
      'repository:app:pull,push',
    ]);
    expect(uniteScopes(['repository:b:pull', 'repository:a:pull'], ['registry:catalog:*'])).to.deep.equal([
      'repository:b:pull',
      'repository:a:pull',
      'registry:catalog:*',
    ]);
  });

  it('may name a host with a port, and are kept as they are when they follow no grammar', () => {
    expect(uniteScopes(['repository:host:5000/app:pull'], ['repository:host:5000/app:push'])).to.deep.equal([
      'repository:host:5000/app:pull,push',
    ]);
    expect(uniteScopes(['aws', 'everything'], ['aws'])).to.deep.equal(['aws', 'everything']);
  });

  it('stand in a challenge between blanks', () => {
    expect(splitScopes(' repository:a:pull  repository:b:pull ')).to.deep.equal([
      'repository:a:pull',
      'repository:b:pull',
    ]);
    expect([splitScopes(undefined), splitScopes('')]).to.deep.equal([[], []]);
  });
});
