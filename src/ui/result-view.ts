import type { EventSink } from '../deploy/events.js';
import type { DeployResult } from '../deploy/result.js';
import type { EventView } from './deploy-view.js';
import { forRunner, type Io, type Output } from './io.js';
import { resultLine } from './release-lines.js';

/** The last line of a deploy: what came of it. */
export class ResultView implements EventView {
  readonly #io: Io;
  readonly #output: Output;
  #result: DeployResult | undefined;

  constructor(io: Io, output: Output) {
    this.#io = io;
    this.#output = output;
  }

  readonly show: EventSink = (event) => {
    if (event.type === 'done') this.#result = event.result;
  };

  /** Only now: the terminal is free when the views before have closed. */
  close(): Promise<void> {
    const line = this.#result && resultLine(this.#result);
    if (line !== undefined) this.#output.write(forRunner(this.#io, `${line}\n`));
    return Promise.resolve();
  }
}
