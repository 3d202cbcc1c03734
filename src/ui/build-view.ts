import type { BuildEvent, PushedLayer } from '../deploy/build-image.js';
import { amountOf, doneIn, plainBuildLines, runningLine } from './build-text.js';
import type { DeployView } from './deploy-view.js';
import { say, type Io } from './io.js';
import { SpinnerLine } from './spinner.js';

/** Shows a build while it goes on, and a push after it. */
export interface BuildView extends Pick<DeployView, 'interject' | 'endsWithFailure'> {
  readonly show: (event: BuildEvent) => void;
  /** bytes, of all that is sent; and what became of a layer */
  readonly showPush: (current: number, total: number, layer: PushedLayer) => void;
  close(): Promise<void>;
}

/**
 * What is done as lines that stay, and on a terminal what runs as one that is drawn over; nothing under `--quiet`.
 * `--json` changes none of it: its document goes to stdout.
 */
export function chooseBuildView(io: Io): BuildView {
  if (io.quiet) return new BuildLines(io, () => []);
  return io.interactive ? new BuildTerminal(io) : new BuildLines(io, plainBuildLines);
}

class BuildLines implements BuildView {
  readonly endsWithFailure = false;
  readonly #io: Io;
  readonly #linesOf: (event: BuildEvent) => string[];

  constructor(io: Io, linesOf: (event: BuildEvent) => string[]) {
    this.#io = io;
    this.#linesOf = linesOf;
  }

  readonly show = (event: BuildEvent): void => {
    for (const line of this.#linesOf(event)) this.interject(line);
  };

  readonly showPush = (_current: number, _total: number, layer: PushedLayer): void => {
    if (this.#linesOf === plainBuildLines && layer.state !== 'pushing') this.interject(layer.text);
  };

  interject(line: string): void {
    say(this.#io, `${line}\n`);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

class BuildTerminal extends SpinnerLine implements BuildView {
  readonly endsWithFailure = false;
  readonly #io: Io;

  constructor(io: Io) {
    super(io, 'Building');
    this.#io = io;
  }

  readonly show = (event: BuildEvent): void => {
    if (event.type === 'warning') this.interject(`warning: ${event.message}`);
    else if (event.type === 'completed') {
      this.interject(`✔ ${event.cached ? 'CACHED ' : ''}${event.step.name}  ${doneIn(event.durationMs)}`);
    } else if (event.type === 'failed') this.interject(`✖ ${event.step.name}`);
    else this.#draw(runningLine(event), event.type === 'started');
  };

  readonly showPush = (current: number, total: number, layer: PushedLayer): void => {
    if (layer.state === 'pushing') {
      this.#draw(`pushing: ${amountOf(current, total)}; ${layer.id} ${amountOf(layer.current, layer.total)}`);
    } else this.interject(`✔ ${layer.text}`);
  };

  #draw(text: string, atOnce = false): void {
    // One line, or it could not be drawn over.
    const room = Math.max(20, (this.#io.stderr.columns ?? 80) - 4);
    this.redraw(() => this.#io.redactor.redact(text).slice(0, room), atOnce);
  }
}
