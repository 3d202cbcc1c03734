import type { EventSink, StepName, TimedDeployEvent } from './events.js';
import { staysInRegistry } from './kept-image.js';

/** What a deploy that is stopped has to undo, or leaves when it is stopped at once, as far as its events have told. */
export class LeftBehind {
  readonly #app: string;
  readonly #rollback: boolean;
  #step: StepName | undefined;
  #image: string | undefined;
  #started: (TimedDeployEvent & { readonly type: 'release.started' }) | undefined;
  #pushed: string | undefined;
  #done = false;

  constructor(app: string, { rollback } = { rollback: true }) {
    this.#app = app;
    this.#rollback = rollback;
  }

  readonly show: EventSink = (event) => {
    if (event.type === 'step.started') this.#step = event.step;
    if (event.type === 'step.succeeded') this.#step = undefined;
    if (event.type === 'release.started') this.#started = event;
    // One that is still to be built has no digest.
    if (event.type === 'plan' && event.plan.image.digest !== undefined)
      this.#image = event.plan.image.deployed;
    if (event.type === 'step.succeeded' && event.step === 'push') this.#pushed = event.summary;
    if (event.type === 'done') this.#done = true;
  };

  /** What the first Ctrl-C sets going. */
  get undoing(): string {
    if (this.#started !== undefined)
      return this.#rollback ? 'putting back what was there' : 'leaving the machines as they are';
    return this.#step === 'build' || this.#step === 'push' ? `ending the ${this.#step}` : 'stopping';
  }

  /** For an error: facts, and how to go on from here. */
  describe(): { readonly evidence: readonly string[]; readonly suggestions: readonly string[] } {
    if (this.#done) return { evidence: [], suggestions: [] };
    if (this.#started === undefined)
      return {
        evidence: ['no machine was changed; locks that were taken end by themselves', ...this.#kept()],
        suggestions: [],
      };
    const { release, lockLifeMs } = this.#started;
    const back = release.lastHealthy;
    const locks = `their locks end by themselves within ${Math.ceil(lockLifeMs / 1000)} s`;
    return {
      evidence: [
        `machines of ${this.#app} run v${release.version} or what ran before it; ${locks}`,
        ...this.#kept(),
      ],
      suggestions: [
        `deployer status -a ${this.#app}`,
        ...(back === undefined ? [] : [`deployer release rollback v${back} -a ${this.#app}`]),
      ],
    };
  }

  #kept(): string[] {
    if (this.#pushed === undefined) return [];
    return [staysInRegistry(this.#image ?? this.#pushed)];
  }
}
