import type { Clock } from '../lib/clock.js';
import { asFailure } from '../lib/errors.js';
import type { DeployEvent, EventSink, StepName } from './events.js';

/** What the work of a step may say while it runs. */
export interface StepVoice {
  progress(message: string): void;
  log(level: 'info' | 'warning', message: string): void;
}

/** Runs steps and tells of them; keeps how long each took. */
export class Steps {
  readonly #clock: Clock;
  readonly #sink: EventSink;
  readonly #started: number;
  readonly #durations = new Map<StepName, number>();

  constructor(clock: Clock, sink: EventSink) {
    this.#clock = clock;
    this.#sink = sink;
    this.#started = clock.now();
  }

  emit(event: DeployEvent): void {
    this.#sink({ time: new Date(this.#clock.now()).toISOString(), ...event });
  }

  /**
   * @param work resolves to the step's value and the line that sums it up; its duration too where it began before
   *   the step did
   */
  async run<T>(
    step: StepName,
    title: string,
    work: (
      voice: StepVoice,
    ) => Promise<{ readonly value: T; readonly summary: string; readonly durationMs?: number }>,
  ): Promise<T> {
    const started = this.#clock.now();
    this.emit({ type: 'step.started', step, title });
    let progressed: string | undefined;
    const elapsed = (): number => this.#clock.now() - started;
    try {
      const {
        value,
        summary,
        durationMs = elapsed(),
      } = await work({
        progress: (message) => {
          // What is said again is no progress.
          if (message !== progressed) this.emit({ type: 'step.progress', step, message });
          progressed = message;
        },
        log: (level, message) => this.emit({ type: 'step.log', step, level, message }),
      });
      this.#took(step, durationMs);
      this.emit({ type: 'step.succeeded', step, summary, durationMs });
      return value;
    } catch (error) {
      this.#took(step, elapsed());
      this.emit({ type: 'step.failed', step, error: asFailure(error).toDocument() });
      throw error;
    }
  }

  skip(step: StepName, title: string, reason: string): void {
    this.emit({ type: 'step.skipped', step, title, reason });
  }

  /** An image that is built may be pushed twice: to its own registry, and to the target's. */
  #took(step: StepName, durationMs: number): void {
    this.#durations.set(step, (this.#durations.get(step) ?? 0) + durationMs);
  }

  /** milliseconds; a step that did not run took none */
  durations(): Record<'search' | 'build' | 'push' | 'release' | 'total', number> {
    const of = (step: StepName): number => this.#durations.get(step) ?? 0;
    return {
      search: of('search'),
      build: of('build'),
      push: of('push'),
      release: of('release'),
      total: this.#clock.now() - this.#started,
    };
  }
}
