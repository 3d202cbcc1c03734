import type { EventSink } from '../deploy/events.js';
import { DeployerError } from '../lib/errors.js';
import type { DeployView, EventView } from './deploy-view.js';
import { GithubView } from './github-view.js';
import { say, type Io } from './io.js';
import { LinesView } from './lines-view.js';
import { NdjsonView } from './ndjson-view.js';
import { withOwnCommands } from './program-name.js';
import { ResultView } from './result-view.js';
import { StepsView } from './steps-view.js';

export interface ViewFlags {
  readonly events?: string | undefined;
}

/**
 * The views of a deploy for whoever looks on: a person at a terminal, a log, GitHub, a program.
 * @param appFlags how the app was named on the command line, for commands that go on from here
 * @throws DeployerError `usage` when `--events` can't be followed; nothing has been changed by then
 */
export function chooseView(io: Io, { events }: ViewFlags, appFlags = ''): DeployView {
  if (events === '-' && io.json) {
    throw new DeployerError('usage', '--events - and --json can not share stdout', {
      suggestions: ['write the events into a file: --events FILE'],
    });
  }
  const others: EventView[] = [
    ...(events === undefined ? [] : [new NdjsonView(io, events)]),
    ...(io.env['GITHUB_ACTIONS'] === 'true' ? [new GithubView(io)] : []),
    // The line for a person leaves stdout to the events.
    ...(io.json ? [] : [new ResultView(io, events === '-' ? io.stderr : io.stdout, appFlags)]),
  ];
  return new Together(io, progressView(io), others);
}

function progressView(io: Io): DeployView {
  if (io.quiet) return new QuietView(io);
  return io.interactive ? new StepsView(io) : new LinesView(io);
}

/** Shows no progress. */
class QuietView implements DeployView {
  readonly endsWithFailure = false;
  readonly #io: Io;

  constructor(io: Io) {
    this.#io = io;
  }

  readonly show: EventSink = () => undefined;

  interject(line: string): void {
    say(this.#io, `${line}\n`);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** The progress and what goes beside it, as one. The progress closes first: it frees the terminal. */
class Together implements DeployView {
  readonly #io: Io;
  readonly #progress: DeployView;
  readonly #others: readonly EventView[];

  constructor(io: Io, progress: DeployView, others: readonly EventView[]) {
    this.#io = io;
    this.#progress = progress;
    this.#others = others;
  }

  get endsWithFailure(): boolean {
    return this.#progress.endsWithFailure;
  }

  readonly show: EventSink = (event) => {
    const told =
      'error' in event && event.error !== undefined
        ? { ...event, error: withOwnCommands(this.#io, event.error) }
        : event;
    for (const view of [...this.#others, this.#progress]) view.show(told);
  };

  interject(line: string): void {
    this.#progress.interject(line);
  }

  async close(): Promise<void> {
    for (const view of [this.#progress, ...this.#others]) await view.close();
  }
}
