import { Command } from '@oclif/core/command';
import type { Config } from '@oclif/core/config';
import { ExitError } from '@oclif/core/errors';
import { boolean } from '@oclif/core/flags';
import { DeployerError, type ErrorOptions } from '../lib/errors.js';
import type { DeployView } from '../ui/deploy-view.js';
import { createIo, forRunner, say, type Io } from '../ui/io.js';
import { asDeployerError, asInterruption, present } from './failure.js';
import { Interruption } from './interruption.js';

/**
 * What every command shares: its way of speaking (`out`, `note`), of being interrupted (`signal`) and of
 * failing. `run` returns the `--json` document, and throws DeployerErrors.
 */
export abstract class BaseCommand extends Command {
  static override enableJsonFlag = true;
  static override baseFlags = {
    'no-color': boolean({ helpGroup: 'GLOBAL', summary: 'Print without colours (as NO_COLOR).' }),
    quiet: boolean({
      helpGroup: 'GLOBAL',
      summary: 'Print results and errors only.',
      exclusive: ['verbose'],
    }),
    verbose: boolean({ helpGroup: 'GLOBAL', summary: 'Print what lies behind an error.' }),
  };

  protected readonly io: Io;
  /** What the first Ctrl-C will set going, as a person is told. */
  protected undoing = 'stopping';
  /** What is left when a second Ctrl-C stops it at once: facts, and commands to go on with. */
  protected leftBehind: (() => Pick<ErrorOptions, 'evidence' | 'suggestions'>) | undefined;
  /** The view that draws on the terminal, if any: messages go through it, and an error under its last line. */
  protected view: Pick<DeployView, 'interject' | 'endsWithFailure'> | undefined;
  #interruption: Interruption | undefined;

  constructor(argv: string[], config: Config) {
    super(argv, config);
    const { env, stdout, stderr } = process;
    this.io = createIo({ argv, env, stdout, stderr }, this.jsonEnabled());
  }

  abstract override run(): Promise<object | void>;

  /**
   * Aborted by the first Ctrl-C or SIGTERM. Who takes it promises to listen: from then on signals no longer
   * end the process by themselves (a second one does).
   */
  protected get signal(): AbortSignal {
    this.#interruption ??= new Interruption(
      process,
      () => this.#tell(`Interrupted: ${this.undoing}; press Ctrl-C again to stop at once`),
      () => this.#stopAtOnce(),
    );
    return this.#interruption.signal;
  }

  /** A result, to stdout. Under `--json` the document says it instead. */
  protected out(line: string): void {
    if (!this.io.json) this.io.stdout.write(forRunner(this.io, `${line}\n`));
  }

  /** A message, to stderr. */
  protected note(line: string): void {
    if (!this.io.quiet) this.#tell(line);
  }

  protected override logJson(document: unknown): void {
    this.io.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
  }

  /**
   * Says the failure and ends with its exit code. oclif's own `catch` would, under `--json`, end with 1 whatever
   * the error's exit code is, and print a parse error with the whole configuration inside.
   */
  protected override async catch(thrown: unknown): Promise<never> {
    if (isExit(thrown)) throw thrown;
    const error = asDeployerError(thrown);
    this.#end(this.#interruption?.signal.aborted === true ? asInterruption(error) : error);
  }

  protected override async finally(): Promise<void> {
    this.#interruption?.dispose();
  }

  #tell(line: string): void {
    if (this.view === undefined) say(this.io, `${line}\n`);
    else this.view.interject(line);
  }

  #stopAtOnce(): never {
    const left = this.leftBehind?.();
    const error = new DeployerError(
      'interrupted',
      'stopped at once; what was under way was not undone',
      left,
    );
    present(error, this.io);
    process.exit(130);
  }

  #end(error: DeployerError): never {
    present(error, this.io, this.view?.endsWithFailure);
    process.exitCode = error.exit;
    // All is said. A host of this plugin may bring its own copy of oclif, to which ours is just some error:
    // `skipOclifErrorHandling` keeps that one from printing it again.
    throw Object.assign(new ExitError(error.exit), { skipOclifErrorHandling: true });
  }
}

function isExit(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && thrown.code === 'EEXIT';
}
