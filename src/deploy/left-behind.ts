import { formatDuration } from '../lib/duration.js';
import type { EventSink, TimedDeployEvent } from './events.js';

/** What a deploy that is stopped at once leaves, as far as its events have told. */
export class LeftBehind {
  readonly #app: string;
  #started: (TimedDeployEvent & { readonly type: 'release.started' }) | undefined;
  #undoing = false;
  #done = false;

  constructor(app: string) {
    this.#app = app;
  }

  readonly show: EventSink = (event) => {
    if (event.type === 'release.started') this.#started = event;
    if (event.type === 'release.failed') this.#undoing = event.undoing;
    if (event.type === 'done') this.#done = true;
  };

  /** For an error: facts, and how to go on from here. */
  describe(): { readonly evidence: readonly string[]; readonly suggestions: readonly string[] } {
    if (this.#done) return { evidence: [], suggestions: [] };
    if (this.#started === undefined)
      return { evidence: ['nothing was changed; locks that were taken end by themselves'], suggestions: [] };
    const { release, lockLifeMs } = this.#started;
    const undo = this.#undoing ? ', or what ran before' : '';
    const locks = `the locks end by themselves within ${formatDuration(lockLifeMs)}`;
    const back = release.lastHealthy;
    return {
      evidence: [
        `${this.#app} is left with v${release.version}${undo} on some of its machines, or all; ${locks}`,
      ],
      suggestions: [
        `deployer status -a ${this.#app}`,
        ...(back === undefined ? [] : [`deployer release rollback v${back} -a ${this.#app}`]),
      ],
    };
  }
}
