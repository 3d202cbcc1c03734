import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { expect } from 'chai';
import { connectEngine, engineAddress, formatEngineAddress } from '../../../src/engine/connect.js';
import { DeployerError } from '../../../src/lib/errors.js';
import { makeTempFolder } from '../../support/temp-folder.js';

describe('where the Docker Engine is looked for', () => {
  it('is DOCKER_HOST, else the usual socket', () => {
    const cases: [string | undefined, string][] = [
      [undefined, 'unix:///var/run/docker.sock'],
      ['', 'unix:///var/run/docker.sock'],
      ['unix:///run/user/1000/docker.sock', 'unix:///run/user/1000/docker.sock'],
      ['tcp://10.0.0.5:2376', 'tcp://10.0.0.5:2376'],
      ['tcp://engine.internal', 'tcp://engine.internal:2375'],
      ['tcp://[::1]:2375', 'tcp://::1:2375'],
    ];
    for (const [host, expected] of cases) {
      const env = host === undefined ? {} : { DOCKER_HOST: host };
      expect(formatEngineAddress(engineAddress(env)), host).to.equal(expected);
    }
  });

  it('is refused, naming DOCKER_HOST, when it is malformed or of a kind that is not supported', () => {
    for (const DOCKER_HOST of [
      'ssh://me@engine',
      'unix://relative.sock',
      'docker.sock',
      'tcp://a b',
      'tcp://h:999999',
    ]) {
      expect(() => engineAddress({ DOCKER_HOST }), DOCKER_HOST).to.throw(DeployerError, /^DOCKER_HOST: /);
    }
    expect(() => engineAddress({ DOCKER_HOST: 'tcp://h:2376', DOCKER_TLS_VERIFY: '1' })).to.throw(
      DeployerError,
    );
  });
});

describe('connecting to the Docker Engine', () => {
  it('fails with engine_unavailable where nothing listens, or something else answers', async () => {
    await using folder = await makeTempFolder('engine-connect');
    const path = join(folder.path, 'engine.sock');
    const code = async (): Promise<string> =>
      connectEngine({ kind: 'unix', path }).then(
        () => 'connected',
        (error: unknown) => (error instanceof DeployerError ? error.code : String(error)),
      );
    expect(await code()).to.equal('engine_unavailable');
    const server: Server = createServer((_request, response) => response.writeHead(404).end());
    await new Promise<void>((resolve) => server.listen(path, resolve));
    expect(await code()).to.equal('engine_unavailable');
    server.closeAllConnections();
    server.close();
  });
});
