import { join } from 'node:path';
import { boolean, integer, option, string } from '@oclif/core/flags';
import { BaseCommand } from '../../cli/base-command.js';
import type { RunningEmulator } from '../../emulator/emulator.js';
import { RUNTIME_CHOICES } from '../../emulator/runtime/runtime.js';

const port = { min: 0, max: 65_535, helpValue: 'PORT' };

const LEFT = {
  evidence: ['its containers may still run; the next start with the same data folder removes them'],
};

export default class EmulatorStart extends BaseCommand {
  static override summary =
    'Start a platform on this machine: an OCI registry and a Machines API, on loopback.';
  static override description =
    'Runs until SIGTERM or Ctrl-C, then stops the containers that it started. The API asks for a token: the one in ' +
    'DEPLOYER_EMULATOR_TOKEN, else one that is made once and kept in the file `token` of the data folder. With a ' +
    'Docker Engine a machine is a container; without one it is a record, and says so.';
  static override examples = [
    '<%= config.bin %> emulator start',
    '<%= config.bin %> emulator start --json --api-port 0',
  ];
  static override flags = {
    'registry-port': integer({
      ...port,
      default: 5001,
      summary: "The registry's port; 0: any that is free.",
    }),
    'api-port': integer({ ...port, default: 4280, summary: "The Machines API's port; 0: any that is free." }),
    'data-dir': string({
      helpValue: 'DIR',
      summary: 'Where images and machines are kept [default: in the user data folder].',
    }),
    runtime: option({
      options: RUNTIME_CHOICES,
      default: 'auto',
      summary: 'What a machine is: a container, a record, or what can be had.',
    })(),
    'legacy-accept': boolean({
      summary: 'Answer indexes as docker-registry 2.8 does: 404 unless asked for.',
    }),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(EmulatorStart);
    this.undoing = 'stopping the machines and the registry';
    this.endsAtOnce = ['SIGINT', 'SIGTERM'];
    const { signal } = this;
    const { startEmulator } = await import('../../emulator/emulator.js');
    const token = this.io.env['DEPLOYER_EMULATOR_TOKEN'];
    const emulator = await startEmulator({
      ...(flags['data-dir'] === undefined
        ? { dataDir: join(this.config.dataDir, 'emulator'), dataDirFrom: 'the user data folder' }
        : { dataDir: flags['data-dir'] }),
      registryPort: flags['registry-port'],
      apiPort: flags['api-port'],
      runtime: flags.runtime,
      legacyAccept: flags['legacy-accept'],
      env: this.io.env,
      ...(token === undefined || token === '' ? {} : { token }),
      log: (line) => this.note(line),
      ...(this.io.verbose ? { logRequests: (line: string) => this.note(line) } : {}),
    });
    this.io.redactor.add(emulator.token);
    const { cleanUpCommand } = emulator;
    if (cleanUpCommand !== undefined) this.leftBehind = () => ({ ...LEFT, suggestions: [cleanUpCommand] });
    this.#sayReady(emulator);
    if (!signal.aborted)
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    await emulator.close();
  }

  // One line of JSON, not a document: who started this reads on while it runs.
  #sayReady(emulator: RunningEmulator): void {
    const { registry, apiUrl, token, tokenFile, runtime, runtimeDescription } = emulator;
    if (this.io.json) {
      const { pid } = process;
      const ready = { registry, apiUrl, token, runtime, runtimeDescription, pid };
      this.io.stdout.write(`${JSON.stringify(ready)}\n`);
      return;
    }
    this.out(`Registry  ${registry}    docker push ${registry}/NAME:TAG`);
    this.out(`API       ${apiUrl}`);
    this.out(`Runtime   ${runtime}: ${runtimeDescription}`);
    this.out('');
    this.out(`  export DEPLOYER_API_URL=${apiUrl}`);
    this.out(`  export DEPLOYER_API_TOKEN="$(cat '${tokenFile}')"`);
    this.out(`  export FLY_REGISTRY_HOST=${registry}`);
    this.out(`  ${this.config.bin} deploy --image ${registry}/NAME:TAG --app NAME`);
    this.out('');
    this.out('Ctrl-C stops it.');
  }
}
