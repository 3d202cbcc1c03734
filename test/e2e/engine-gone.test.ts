import { expect } from 'chai';
import { startDockerEngine, type DockerEngine } from '../support/docker-engine.js';
import type { MachineAnswer } from '../support/machines-client.js';
import type { RunningProgram } from '../support/program.js';
import { requires } from '../support/requirements.js';
import { setStage, type PushedImage, type Stage } from '../support/stage.js';

interface Document {
  readonly status: string;
  readonly error: { readonly message: string; readonly evidence: string[]; readonly suggestions: string[] };
  readonly machines: readonly { readonly id: string; readonly state: string }[];
}

describe('a deploy whose Docker Engine goes away', function () {
  requires('docker-engine', 'busybox');
  this.timeout(120_000);
  let engine: DockerEngine;
  let stage: Stage;

  beforeEach(async () => {
    engine = await startDockerEngine();
    stage = await setStage({ runtime: 'docker', env: { DOCKER_HOST: engine.dockerHost } });
  });
  afterEach(async () => {
    try {
      await stage[Symbol.asyncDispose]();
    } catch (error) {
      // Of an engine that is gone the emulator can't know that it took its containers along, and says so.
      expect(String(error)).to.contain('containers of this emulator may be left');
    }
    await engine.stop();
  });

  /** A machine of this image, healthy as v1. */
  async function begin(image: PushedImage): Promise<string> {
    const { code, stderr } = await stage.run(['deploy', '--app', 'noop', '--image', image.reference]);
    expect(code, stderr).to.equal(0);
    const [machine] = await stage.machines('noop');
    return machine?.id ?? '';
  }
  const deploy = (image: PushedImage, ...flags: string[]): RunningProgram =>
    stage.start(['deploy', '--app', 'noop', '--image', image.reference, '--json', ...flags]);

  it('does not say that v1 is back when its machine, unwell but started before, is down now', async () => {
    const old = await stage.push('old');
    const next = await stage.push('next', { fate: 'never healthy' });
    const id = await begin(old);
    const { client, machineThat } = stage.platform;
    await stage.fault({ match: { imageDigest: old.digest }, effect: { checks: {} } });
    await client.ok(`POST /apps/noop/machines/${id}/restart`);
    const path = `/apps/noop/machines/${id}`;
    const isUp = ({ state, checks }: MachineAnswer) =>
      state === 'started' && checks[0]?.status === 'critical';
    await machineThat(path, isUp);

    const program = deploy(next, '--wait-timeout', '10s');
    await machineThat(path, ({ state, config }) => state === 'started' && config['image'] === next.byDigest);
    process.kill(engine.pid, 'SIGTERM');
    const { code, stdout, stderr } = await program.finished;
    expect(code, stderr).to.equal(9);
    const { status, error, machines } = JSON.parse(stdout) as Document;
    expect([status, machines[0]?.state]).to.deep.equal(['failed', 'failed']);
    expect(error.message).to.include(`1 of 1 changed machines could not be put back: ${id}`);
    expect(error.evidence[0]).to.match(/could not be started \(state failed\)/);
    expect(error.evidence[1]).to.equal(`machine ${id}: state failed`);
    expect(error.evidence[2]).to.match(/^[\d:]{8} launch failed by flyd: /);
  });

  it('gives the putting back up when the engine hangs, with the state in which the machine stays', async () => {
    const [old, next] = await Promise.all([stage.push('old'), stage.push('next')]);
    const id = await begin(old);
    process.kill(engine.pid, 'SIGSTOP');
    const { code, stdout, stderr } = await deploy(next, '--wait-timeout', '3s').finished;
    process.kill(engine.pid, 'SIGCONT');
    const { status, error } = JSON.parse(stdout) as Document;
    expect([code, status], stderr).to.deep.equal([9, 'failed']);
    // The emulator gives each question to its engine 30 s; then the undo's own update waits for the engine.
    expect(error.evidence[0]).to.match(
      /timed out after [\d.]+s waiting for it to (?:start|be no longer replacing)$/,
    );
    expect(error.evidence).to.include(`machine ${id}: state replacing`);
    expect(JSON.stringify(error), 'no port would help').to.not.match(/port/);
    expect(stderr).to.match(/^ {4}machine \w+: waiting for it to be no longer replacing$/m);
  });
});
