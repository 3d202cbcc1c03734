import type { EventSink, TimedDeployEvent } from './events.js';

/** What a deploy that is stopped at once leaves, as far as its events have told. */
export class LeftBehind {
  readonly #app: string;
  #started: (TimedDeployEvent & { readonly type: 'release.started' }) | undefined;
  #pushed: string | undefined;
  #done = false;

  constructor(app: string) {
    this.#app = app;
  }

  readonly show: EventSink = (event) => {
    if (event.type === 'release.started') this.#started = event;
    if (event.type === 'step.succeeded' && event.step === 'push') this.#pushed = event.summary;
    if (event.type === 'done') this.#done = true;
  };

  /** For an error: facts, and how to go on from here. */
  describe(): { readonly evidence: readonly string[]; readonly suggestions: readonly string[] } {
    if (this.#done) return { evidence: [], suggestions: [] };
    if (this.#started === undefined)
      return {
        evidence: [
          'no machine was changed; locks that were taken end by themselves',
          ...(this.#pushed === undefined ? [] : [`the image was pushed, and stays there: ${this.#pushed}`]),
        ],
        suggestions: [],
      };
    const { release, lockLifeMs } = this.#started;
    const back = release.lastHealthy;
    const locks = `their locks end by themselves within ${Math.ceil(lockLifeMs / 1000)} s`;
    return {
      evidence: [`machines of ${this.#app} run v${release.version} or what ran before it; ${locks}`],
      suggestions: [
        `deployer status -a ${this.#app}`,
        ...(back === undefined ? [] : [`deployer release rollback v${back} -a ${this.#app}`]),
      ],
    };
  }
}
