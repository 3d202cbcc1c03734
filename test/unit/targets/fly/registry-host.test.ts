import { expect } from 'chai';
import { DeployerError } from '../../../../src/lib/errors.js';
import { adviceFor } from '../../../../src/targets/fly/advice.js';
import { flyRegistryHost } from '../../../../src/targets/fly/registry-host.js';
import { platformsIn } from '../../../../src/targets/known-platforms.js';

const LOCAL = 'http://127.0.0.1:4280';

describe('the registry that an API has of its own', () => {
  it("is the one that FLY_REGISTRY_HOST names, else Fly's; that of an API on loopback is not known", () => {
    expect(flyRegistryHost({ FLY_REGISTRY_HOST: '127.0.0.1:5001' }, LOCAL)).to.equal('127.0.0.1:5001');
    expect(flyRegistryHost({ FLY_REGISTRY_HOST: '' }, 'https://api.machines.dev')).to.equal(
      'registry.fly.io',
    );
    expect(flyRegistryHost({}, LOCAL)).to.equal(undefined);
  });

  for (const host of ['http://localhost:25011', 'localhost:5001/', 'host/path', 'a b', 'host:port', 'nodots'])
    it(`is none that is written like ${host}: exit 2, whatever it is wanted for`, () => {
      for (const url of [undefined, LOCAL, 'https://api.machines.dev'])
        expect(() => flyRegistryHost({ FLY_REGISTRY_HOST: host }, url))
          .to.throw(DeployerError, /FLY_REGISTRY_HOST: ".*" is no HOST\[:PORT\]/)
          .with.property('exit', 2);
    });

  it('is where a copy of what can not be pulled is put; where it is not known, that has to be said', () => {
    const told = (registry?: string): string =>
      adviceFor(LOCAL, registry).pull('shop', 'quay.io/a/b:v1').join('\n');
    expect(told('127.0.0.1:5001')).to.include('image copy quay.io/a/b:v1 127.0.0.1:5001/shop:copy');
    expect(told()).to.match(/^say where the registry of this API is: FLY_REGISTRY_HOST=/);
    for (const advice of [told('127.0.0.1:5001'), told()]) expect(advice).not.to.include('registry.fly.io');
  });

  it('is what `image diagnose` judges by and suggests', () => {
    const fly = platformsIn({ FLY_REGISTRY_HOST: 'registry.example.com' }).find(({ name }) => name === 'fly');
    expect(fly).to.have.property('repository', 'registry.example.com/APP');
    expect(fly?.capabilities.pull).to.deep.include({ own: ['registry.example.com'] });
    expect(fly?.capabilities.pull?.how).not.to.include('registry.fly.io');
  });
});
