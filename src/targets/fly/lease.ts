import type { Clock } from '../../lib/clock.js';
import { DeployerError, messageOf } from '../../lib/errors.js';
import { cleanLine } from '../../lib/text.js';
import { describeHolder, lockedByAnother } from './another-deploy.js';
import { isPassing } from './api-error.js';
import type { Nonce } from './api-transport.js';
import type { LeaseResult, MachinesApi } from './machines-api.js';
import { within } from './within.js';

/** Short, so that a deployer that died locks nobody out for long; refreshed, so that a slow one keeps it. */
const TTL_MS = 13_000;
export const LEASE_SECONDS = TTL_MS / 1000;
const REFRESH_MS = 4_000;
/** Between two tries for a lease that someone else holds. */
const RETRY_MS = 2_000;
const UNKNOWN_FOR_MS = 15_000;
/** While the API is out of reach, it is said so often, of all leases together. */
const WARN_MS = 30_000;

export interface LeasesOptions {
  readonly api: MachinesApi;
  readonly clock: Clock;
  /** Shown to whoever waits for us. */
  readonly description: string;
  readonly warn: (message: string) => void;
}

export interface LeaseWait {
  readonly waitMs: number;
  readonly signal: AbortSignal;
  /** Says who is being waited for. */
  readonly tell: (message: string) => void;
  /** Ends the request too that is on its way: a lease that was granted by it ends by itself. */
  readonly end?: AbortSignal;
  /** The API may take a moment to know a machine that it has just created. */
  readonly justCreated?: boolean;
}

interface HeldLease {
  nonce: string;
  readonly stop: AbortController;
  readonly refreshing: Promise<void>;
}

/** The leases that a release holds on its machines: taken before the first write, refreshed, given back. */
export class Leases {
  readonly #options: LeasesOptions;
  readonly #held = new Map<string, HeldLease>();
  readonly #lost = new AbortController();
  #warnedAt = -Infinity;

  constructor(options: LeasesOptions) {
    this.#options = options;
  }

  /** Aborted, with the reason, when somebody else has got one of the leases: nothing may be written any more. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Proves to the API that the machine is ours to change. */
  nonce(id: string): Nonce {
    return () => this.#held.get(id)?.nonce;
  }

  holds(id: string): boolean {
    return this.#held.has(id);
  }

  /**
   * Takes the machine's lease, waiting for another holder as long as `waitMs`.
   * @throws DeployerError `locked`, naming the holder; `api_conflict` when there is no such machine
   */
  async acquire(id: string, wait: LeaseWait): Promise<void> {
    if (this.#held.has(id)) return;
    const { clock, api } = this.#options;
    const startedAt = clock.now();
    let told = '';
    for (;;) {
      const asking = wait.end === undefined ? api : api.until(wait.end);
      const result = await this.#ask(asking, id, undefined, wait.signal);
      if (result.held) {
        this.#keep(id, result.nonce);
        return;
      }
      const holder = result.missing ? undefined : await asking.readLease(id, wait.signal);
      // The answer to an earlier try was lost.
      if (holder?.nonce && holder.description === this.#options.description) {
        this.#keep(id, holder.nonce);
        return;
      }
      const mayWaitMs = result.missing ? (wait.justCreated ? UNKNOWN_FOR_MS : 0) : wait.waitMs;
      const leftMs = startedAt + mayWaitMs - clock.now();
      const who = describeHolder(holder, result.said);
      if (leftMs <= 0) throw result.missing ? missing(id, who) : lockedByAnother(api.app, id, who);
      const waiting = `machine ${id} is locked by another deploy, waiting: ${who}`;
      if (!result.missing && waiting !== told) wait.tell((told = waiting));
      await clock.sleep(Math.min(RETRY_MS, leftMs), wait.signal);
    }
  }

  /** Keeps the lease that a machine was created with. */
  adopt(id: string, nonce: string): void {
    this.#keep(id, nonce);
  }

  /** Gives all leases back. One that can't be given back ends by itself: that is worth a warning, no more. */
  async releaseAll(): Promise<void> {
    const kept: { readonly id: string; readonly why: string }[] = [];
    await Promise.all(
      [...this.#held.keys()].map(async (id) => {
        const why = await this.#release(id);
        if (why !== undefined) kept.push({ id, why });
      }),
    );
    if (kept.length === 0) return;
    const which = kept.length === 1 ? `lock of machine ${kept[0]?.id}` : `locks of ${kept.length} machines`;
    const ends = kept.length === 1 ? 'ends by itself' : 'end by themselves';
    this.#options.warn(
      `the ${which} could not be given back and ${ends} in ${LEASE_SECONDS} s: ${kept[0]?.why}`,
    );
  }

  /** @returns why it could not be given back */
  async #release(id: string): Promise<string | undefined> {
    const lease = this.#held.get(id);
    if (lease === undefined) return undefined;
    await this.forget(id);
    try {
      const { api, clock } = this.#options;
      await within(clock, TTL_MS, (end) => api.until(end).releaseLease(id, lease.nonce));
      return undefined;
    } catch (error) {
      return messageOf(error);
    }
  }

  /** Forgets the lease of a machine that was destroyed: it went with it. */
  async forget(id: string): Promise<void> {
    const lease = this.#held.get(id);
    this.#held.delete(id);
    lease?.stop.abort();
    await lease?.refreshing;
  }

  /** An answer that takes longer than a lease lives is of no use. */
  #askInTime(id: string, nonce: string | undefined): Promise<LeaseResult> {
    const { api, clock } = this.#options;
    return within(clock, TTL_MS, (end) => this.#ask(api.until(end), id, nonce));
  }

  #ask(api: MachinesApi, id: string, nonce: string | undefined, signal?: AbortSignal): Promise<LeaseResult> {
    const request = {
      ttlSeconds: LEASE_SECONDS,
      description: this.#options.description,
      ...(nonce === undefined ? {} : { nonce }),
    };
    return api.lease(id, request, signal);
  }

  #keep(id: string, nonce: string): void {
    const stop = new AbortController();
    this.#held.set(id, { nonce, stop, refreshing: this.#refresh(id, stop.signal) });
  }

  async #refresh(id: string, stop: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    // The first refresh may come before the map is set; it is read after the pause.
    const begun = clock.now();
    let goodUntil = begun + TTL_MS;
    while (await this.#pause(stop)) {
      const lease = this.#held.get(id);
      if (lease === undefined) return;
      try {
        const again = await this.#askInTime(id, lease.nonce);
        // Ended while the API was out of reach, or dropped by it: nobody else having it, it is taken again.
        const result = again.held || stop.aborted ? again : await this.#askInTime(id, undefined);
        // The API may take a moment to know a machine that it has just created.
        if (!result.held && result.missing && clock.now() - begun < UNKNOWN_FOR_MS) continue;
        if (!result.held) {
          if (!stop.aborted) this.#lose(id, result.said);
          return;
        }
        lease.nonce = result.nonce;
        goodUntil = clock.now() + TTL_MS;
      } catch (error) {
        if (!isPassing(error)) {
          this.#lose(id, messageOf(error));
          return;
        }
        if (clock.now() > goodUntil) this.#warnNowAndThen(`the locks can't be refreshed: ${error.message}`);
      }
    }
  }

  #warnNowAndThen(message: string): void {
    const now = this.#options.clock.now();
    if (now - this.#warnedAt < WARN_MS) return;
    this.#warnedAt = now;
    this.#options.warn(message);
  }

  async #pause(stop: AbortSignal): Promise<boolean> {
    try {
      await this.#options.clock.sleep(REFRESH_MS, stop);
      return true;
    } catch {
      // Only the lease's own end interrupts the pause.
      return false;
    }
  }

  #lose(id: string, said: string): void {
    this.#held.delete(id);
    this.#lost.abort(
      new DeployerError('release_failed', `the lock of machine ${id} was lost to someone else`, {
        evidence: [cleanLine(said)],
        suggestions: ['make sure that only one deploy of this app runs at a time'],
      }),
    );
  }
}

function missing(id: string, said: string): DeployerError {
  return new DeployerError('api_conflict', `machine ${id} is not there any more`, {
    evidence: [cleanLine(said)],
    suggestions: ['it was destroyed meanwhile; deploy again'],
  });
}
