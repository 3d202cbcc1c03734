import type { Clock } from '../lib/clock.js';
import { DeployerError } from '../lib/errors.js';
import type { HttpResponse } from './client.js';

export interface RetryPolicy {
  readonly clock: Clock;
  /** Tries in all, the first among them. */
  readonly tries: number;
  /** The first pause in milliseconds; each further one doubles, with jitter. */
  readonly baseMs: number;
  /** No pause is longer, whatever `Retry-After` asks for. */
  readonly longestMs: number;
  /** 0 to 1; Math.random unless a test decides. */
  readonly random: () => number;
  /** The answers that are worth another try. */
  readonly statuses: ReadonlySet<number>;
  /** The network's failures that are worth another try; none for what may not happen twice. */
  readonly codes: ReadonlySet<string>;
}

const PASSING_STATUS: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);
const PASSING_CODE: ReadonlySet<string> = new Set(['connection_lost', 'connection_timed_out']);

export function retryPolicy(clock: Clock, change: Partial<RetryPolicy> = {}): RetryPolicy {
  return {
    clock,
    tries: 4,
    baseMs: 250,
    longestMs: 30_000,
    random: Math.random,
    statuses: PASSING_STATUS,
    codes: PASSING_CODE,
    ...change,
  };
}

/**
 * Sends what is safe to repeat until it is answered by something that will not pass: 408, 429, 5xx and a broken
 * connection (unless the policy names others) are tried again after a pause (`Retry-After` in seconds or as a
 * date, else exponential).
 * @returns the last answer, of whatever status
 */
export async function withRetry(
  policy: RetryPolicy,
  send: () => Promise<HttpResponse>,
  options: { readonly signal?: AbortSignal; readonly onRetry?: (why: string, pauseMs: number) => void } = {},
): Promise<HttpResponse> {
  for (let attempt = 1; ; attempt += 1) {
    const outcome = await attemptOnce(send);
    const last = attempt >= policy.tries;
    if ('response' in outcome) {
      const { response } = outcome;
      if (last || !policy.statuses.has(response.status)) return response;
      const pause = pauseAfter(policy, attempt, response.headers['retry-after']);
      if (pause === undefined) return response;
      await response.discard();
      options.onRetry?.(`${response.url.host} answered ${response.status}`, pause);
      await policy.clock.sleep(pause, options.signal);
    } else {
      if (last || !policy.codes.has(outcome.error.code) || options.signal?.aborted) throw outcome.error;
      const pause = pauseAfter(policy, attempt, undefined) as number;
      options.onRetry?.(outcome.error.message, pause);
      await policy.clock.sleep(pause, options.signal);
    }
  }
}

async function attemptOnce(
  send: () => Promise<HttpResponse>,
): Promise<{ response: HttpResponse } | { error: DeployerError }> {
  try {
    return { response: await send() };
  } catch (error) {
    if (error instanceof DeployerError) return { error };
    throw error;
  }
}

/**
 * How long to wait before the next try.
 * @param attempt the one that failed, from 1
 * @returns milliseconds; undefined when the server asks for a longer pause than is worth waiting
 */
export function pauseAfter(
  policy: RetryPolicy,
  attempt: number,
  retryAfter: string | undefined,
): number | undefined {
  const asked = parseRetryAfter(retryAfter, policy.clock.now());
  if (asked !== undefined) return asked > policy.longestMs ? undefined : asked;
  const backoff = policy.baseMs * 2 ** (attempt - 1);
  return Math.min(policy.longestMs, backoff * (0.5 + policy.random() / 2));
}

/**
 * RFC 9110, 10.2.3: seconds, or an HTTP date.
 * @returns milliseconds from `now`; undefined when there is none or it can't be read
 */
export function parseRetryAfter(value: string | undefined, now: number): number | undefined {
  const text = value?.trim() ?? '';
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  // Date.parse takes nearly anything for a date: "-5" is in May 2001.
  if (!/^[A-Z][a-z]+,? .+ GMT$/.test(text)) return undefined;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}
