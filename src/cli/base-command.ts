import { Command } from '@oclif/core/command';
import type { Config } from '@oclif/core/config';
import { ExitError } from '@oclif/core/errors';
import { boolean } from '@oclif/core/flags';
import { systemClock } from '../lib/clock.js';
import { DeployerError, type ErrorOptions } from '../lib/errors.js';
import type { DeployView } from '../ui/deploy-view.js';
import { createIo, forRunner, say, type Io } from '../ui/io.js';
import { asDeployerError, asInterruption, present } from './failure.js';
import { Interruption } from './interruption.js';
import { withMeantImage } from './meant-image.js';
import { OutputWatch, untold } from './output-watch.js';
import { refuseSwitchValues, type CommandShape } from './usage-error.js';

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
  /** Of which kinds a second signal stops it at once (see Interruption). */
  protected endsAtOnce: readonly NodeJS.Signals[] = ['SIGINT'];
  /** What is left when a second Ctrl-C stops it at once: facts, and commands to go on with. */
  protected leftBehind: (() => Pick<ErrorOptions, 'evidence' | 'suggestions'>) | undefined;
  /** The images that the command line names, as they are written there. */
  protected images: readonly string[] = [];
  /** The view that draws on the terminal, if any: messages go through it, and an error under its last line. */
  protected view: Pick<DeployView, 'interject' | 'endsWithFailure'> | undefined;
  #interruption: Interruption | undefined;

  constructor(argv: string[], config: Config) {
    super(argv, config);
    const { env, stdout, stderr } = process;
    this.io = createIo({ argv, env, stdout, stderr, bin: config.bin }, this.jsonEnabled());
  }

  abstract override run(): Promise<object | void>;

  /**
   * Aborted by the first Ctrl-C, SIGTERM or SIGHUP. Who takes it promises to listen: from then on signals no longer
   * end the process by themselves (a second Ctrl-C does).
   */
  protected get signal(): AbortSignal {
    this.#interruption ??= new Interruption(
      process,
      () => this.#tell(`Interrupted: ${this.undoing}; press Ctrl-C again to stop at once`),
      () => this.#stopAtOnce(),
      systemClock,
      this.endsAtOnce,
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

  /**
   * The command's whole course, as oclif calls it: `run`, `catch`, `finally`, then the document. An output that breaks
   * does not break it off.
   */
  protected override async _run<T>(): Promise<T> {
    const [stdout, stderr] = [new OutputWatch(process.stdout), new OutputWatch(process.stderr)];
    try {
      const result = await super._run<T>();
      await stdout.settle();
      if (stdout.failure !== undefined) this.#end(untold(stdout.failure), { ...this.io, json: false });
      return result;
    } finally {
      await Promise.all([stdout.settle(), stderr.settle()]);
      for (const output of [stdout, stderr]) output.release();
    }
  }

  protected override async init(): Promise<void> {
    await super.init();
    refuseSwitchValues(this.argv, this.#shape());
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
    const error = await withMeantImage(asDeployerError(thrown, this.#shape()), this.images, process.cwd());
    this.#end(this.#interruption?.signal.aborted === true ? asInterruption(error) : error);
  }

  protected override async finally(): Promise<void> {
    this.#interruption?.dispose();
  }

  #shape(): CommandShape {
    const { id, args, flags, baseFlags } = this.ctor;
    const name = `${this.config.bin} ${id.replaceAll(':', ' ')}`;
    return { name, args, flags: { ...baseFlags, ...flags, json: { type: 'boolean' } } };
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

  #end(error: DeployerError, io = this.io): never {
    present(error, io, this.view?.endsWithFailure);
    process.exitCode = error.exit;
    // All is said. A host of this plugin may bring its own copy of oclif, to which ours is just some error:
    // `skipOclifErrorHandling` keeps that one from printing it again.
    throw Object.assign(new ExitError(error.exit), { skipOclifErrorHandling: true });
  }
}

function isExit(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && thrown.code === 'EEXIT';
}
