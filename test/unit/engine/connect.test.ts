import { createServer } from 'node:http';
import { join } from 'node:path';
import { expect } from 'chai';
import { connectEngine } from '../../../src/engine/connect.js';
import { failureOf } from '../../support/failure.js';
import { makeTempFolder } from '../../support/temp-folder.js';

describe('connecting to the Docker Engine', () => {
  it('says where it looked, why none was there, how to start one and what needs none', async () => {
    await using folder = await makeTempFolder('engine-connect');
    const DOCKER_HOST = `unix://${join(folder.path, 'engine.sock')}`;
    const error = await failureOf(() => connectEngine({ env: { DOCKER_HOST }, home: folder.path }));
    expect(error.code).to.equal('engine_unavailable');
    expect(error.exit).to.equal(12);
    expect(error.evidence).to.deep.equal([`DOCKER_HOST, ${DOCKER_HOST}: there is no such socket`]);
    expect(error.suggestions.join('\n'))
      .to.match(/systemctl start docker/)
      .and.match(/oci:DIR/);
  });

  it('does not say to set what is set, names the socket of Podman where that will do, and what else is asked for', async () => {
    await using folder = await makeTempFolder('engine-connect');
    const DOCKER_HOST = `unix://${join(folder.path, 'engine.sock')}`;
    const suggestions = async (env: Record<string, string>, podman: boolean, instead?: string) => {
      const surroundings = { env: { XDG_RUNTIME_DIR: folder.path, ...env }, home: folder.path, podman };
      return (await failureOf(() => connectEngine(surroundings, instead))).suggestions.join('\n');
    };
    const set = await suggestions({ DOCKER_HOST }, true, 'or do without');
    expect(set)
      .to.match(/DOCKER_HOST is set, and nothing else is looked for/)
      .and.contain('systemctl --user start podman.socket')
      .and.match(/or do without$/);
    expect(set).not.to.match(/set DOCKER_HOST|oci:DIR/);
    expect(await suggestions({ DOCKER_HOST }, false)).not.to.contain('podman');
  });

  it('takes what answers a ping with anything but 200 for no engine', async () => {
    await using folder = await makeTempFolder('engine-connect');
    const path = join(folder.path, 'engine.sock');
    const server = createServer((_request, response) => response.writeHead(404).end());
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const error = await failureOf(() =>
      connectEngine({ env: { DOCKER_HOST: `unix://${path}` }, home: folder.path }),
    );
    expect(error.evidence[0]).to.match(/its ping answered 404$/);
    server.closeAllConnections();
    server.close();
  });
});
