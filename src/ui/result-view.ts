import type { EventSink, TimedDeployEvent } from '../deploy/events.js';
import type { PlanDocument } from '../deploy/plan.js';
import type { EventView } from './deploy-view.js';
import { forRunner, type Io, type Output } from './io.js';
import { planLines } from './plan-lines.js';
import { asCalled } from './program-name.js';
import { resultLine } from './release-lines.js';

/** What a deploy says last: the line that tells what came of it; of a dry run the plan. */
export class ResultView implements EventView {
  readonly #io: Io;
  readonly #output: Output;
  readonly #appFlags: string;
  #plan: PlanDocument | undefined;
  #lines: readonly string[] = [];

  constructor(io: Io, output: Output, appFlags: string) {
    this.#io = io;
    this.#output = output;
    this.#appFlags = appFlags;
  }

  readonly show: EventSink = (event) => {
    if (event.type === 'plan') this.#plan = event.plan;
    if (event.type === 'done') this.#lines = this.#linesOf(event);
  };

  #linesOf({ result, error }: TimedDeployEvent & { readonly type: 'done' }): readonly string[] {
    if (result === undefined) {
      return error === undefined && this.#plan !== undefined ? planLines(this.#plan) : [];
    }
    const line = resultLine(result, this.#appFlags);
    return line === undefined ? [] : [asCalled(this.#io, line)];
  }

  /** Only now: the terminal is free when the views before have closed. */
  close(): Promise<void> {
    for (const line of this.#lines) this.#output.write(forRunner(this.#io, `${line}\n`));
    return Promise.resolve();
  }
}
