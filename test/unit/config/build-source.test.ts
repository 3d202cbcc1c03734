import { join } from 'node:path';
import { expect } from 'chai';
import { buildSource } from '../../../src/config/build-source.js';
import { loadConfig } from '../../../src/config/load-config.js';
import { makeContext } from '../../support/build-context.js';
import { failureOf } from '../../support/failure.js';

const FLAGS = { build: 'missing', 'no-cache': false, provenance: 'auto' } as const;

describe('what a deploy builds from', () => {
  it('of a Dockerfile that is not where the file says names the file and its line', async () => {
    await using folder = await makeContext({
      'fly.toml': 'app = "shop"\n[build]\n  dockerfile = "docker/Dockerfile"\n',
    });
    const { config } = await loadConfig({ flags: {}, env: {}, cwd: folder.path });
    const surroundings = { config: config.build, env: {}, stdin: process.stdin };
    const source = await buildSource(folder.path, FLAGS, surroundings);
    const error = await failureOf(() => source?.dockerfile.read());
    expect(error.code).to.equal('config_invalid');
    expect(error.message).to.equal('fly.toml:3: build.dockerfile: docker/Dockerfile is not there');
    const flag = { ...FLAGS, dockerfile: join(folder.path, 'nowhere') };
    const asked = await buildSource(folder.path, flag, surroundings);
    const named = await failureOf(() => asked?.dockerfile.read());
    expect(named.message).to.equal(`the Dockerfile ${folder.path}/nowhere is not there`);
  });

  it('knows where the stage is named', async () => {
    await using folder = await makeContext({
      'deployer.toml': 'app = "shop"\n[build]\ndockerfile = "D"\nbuild-target = "final"\n',
    });
    const { config } = await loadConfig({ flags: {}, env: {}, cwd: folder.path });
    const surroundings = { config: config.build, env: {}, stdin: process.stdin };
    expect(await buildSource(folder.path, FLAGS, surroundings)).to.include({
      target: 'final',
      targetFrom: 'deployer.toml:4: build.build-target',
    });
    const flag = { ...FLAGS, 'build-target': 'other' };
    expect(await buildSource(folder.path, flag, surroundings)).to.include({
      target: 'other',
      targetFrom: '--build-target',
    });
  });

  it('suggests, of a flag that makes no sense, the command that was called and how the flag is written', async () => {
    for (const [flags, suggestion] of [
      [{ 'build-secret': ['src=x'] }, 'deployer deploy . --image REF --build-secret id=NAME,src=FILE'],
      [{ 'build-arg': ['=x'] }, 'deployer deploy . --image REF --build-arg NAME=VALUE'],
      [{ label: ['=x'] }, 'deployer deploy . --image REF --label NAME=VALUE'],
    ] as const) {
      const surroundings = { config: undefined, env: {}, stdin: process.stdin };
      const error = await failureOf(() => buildSource('.', { ...FLAGS, ...flags }, surroundings));
      expect(error.suggestions).to.deep.equal([suggestion]);
    }
    const none = { config: undefined, env: {}, stdin: process.stdin };
    const nowhere = await failureOf(() => buildSource('/nowhere', FLAGS, none));
    expect(nowhere.suggestions).to.deep.equal(['deployer deploy DIR --image REF']);
  });
});
