import { cleanLine } from '../../lib/text.js';
import { manifestNameOf, type Reference } from '../../oci/reference.js';
import type { RegistryAnswer } from '../../registry/answer.js';
import { notGranted, type TokenGrant } from '../../registry/token-grant.js';
import { nearestTags, type TagList } from '../nearest-tags.js';

/** The registry's clock beside this machine's. */
export interface ClockEvidence {
  /** As the registry tells it (RFC 9110, Date). */
  readonly registry: string;
  /** How far the registry's is ahead, in seconds; the Date header has whole ones. */
  readonly skewSeconds: number;
}

/** What a token server was asked for, and gave. Never the token. */
export interface TokenEvidence {
  readonly realm: string;
  readonly service?: string;
  /** Where the credentials were found; none: asked anonymously. */
  readonly credentials?: string;
  readonly asked: readonly string[];
  readonly granted: readonly string[] | 'opaque';
  /** Asked for, and not granted. */
  readonly lacking: readonly string[];
  readonly issuedAt?: string;
  readonly expiresAt?: string;
  /** By this many seconds it is not valid yet by the registry's clock; registries bear with about 60. */
  readonly aheadSeconds?: number;
  /** By this many seconds it is no longer valid by the registry's clock. */
  readonly expiredSeconds?: number;
}

/** How many more pulls the registry allows, as far as it tells. */
export interface RateLimit {
  readonly limit?: number;
  readonly remaining?: number;
  readonly windowSeconds?: number;
  /** Who is counted: an address or an account. */
  readonly source?: string;
  /** As the registry wrote it. */
  readonly retryAfter?: string;
}

export type TagEvidence =
  | {
      readonly status: 'listed';
      readonly count: number;
      /** The list goes on: there are more than `count`. */
      readonly more: boolean;
      readonly nearest: readonly string[];
    }
  | { readonly status: 'no-repository' }
  | { readonly status: 'unknown'; readonly why: string };

/** @param now when the answer came, in milliseconds since the epoch */
export function clockEvidence(
  { headers }: Pick<RegistryAnswer, 'headers'>,
  now: number,
): ClockEvidence | undefined {
  const at = Date.parse(headers['date'] ?? '');
  if (Number.isNaN(at)) return undefined;
  return { registry: new Date(at).toISOString(), skewSeconds: Math.round((at - now) / 1000) };
}

/** @param now by the registry's clock, in milliseconds since the epoch */
export function tokenEvidence(grant: TokenGrant, now: number): TokenEvidence {
  const { realm, service, credentials, asked, granted, issuedAt, notBefore, expiresAt } = grant;
  const ahead = secondsBetween(now, Math.max(issuedAt ?? 0, notBefore ?? 0));
  const expired = expiresAt === undefined ? 0 : secondsBetween(expiresAt, now);
  return {
    realm,
    ...(service === undefined ? {} : { service }),
    ...(credentials === undefined ? {} : { credentials }),
    ...{ asked, granted, lacking: notGranted(grant) },
    ...(issuedAt === undefined ? {} : { issuedAt: new Date(issuedAt).toISOString() }),
    ...(expiresAt === undefined ? {} : { expiresAt: new Date(expiresAt).toISOString() }),
    ...(ahead > 0 ? { aheadSeconds: ahead } : {}),
    ...(expired > 0 ? { expiredSeconds: expired } : {}),
  };
}

/**
 * The lowest of what the answers tell: `RateLimit-Remaining: 76;w=21600` as Docker Hub writes it, or with `X-` before
 * it. Undefined when no answer speaks of a limit.
 */
export function rateLimitEvidence(
  answers: readonly Pick<RegistryAnswer, 'headers'>[],
): RateLimit | undefined {
  const limits = answers.map(({ headers }) => readRateLimit(headers)).filter((limit) => limit !== undefined);
  return limits.sort((a, b) => (a.remaining ?? Infinity) - (b.remaining ?? Infinity))[0];
}

function readRateLimit(headers: Readonly<Record<string, string>>): RateLimit | undefined {
  const read = (name: string): string | undefined =>
    headers[`ratelimit-${name}`] ?? headers[`x-ratelimit-${name}`];
  const limit = leadingNumber(read('limit'));
  const remaining = leadingNumber(read('remaining'));
  const windowSeconds = leadingNumber(/;\s*w=(\d+)/.exec(read('limit') ?? read('remaining') ?? '')?.[1]);
  const source = headers['docker-ratelimit-source'];
  const retryAfter = headers['retry-after'];
  if (limit === undefined && remaining === undefined && retryAfter === undefined) return undefined;
  return {
    ...(limit === undefined ? {} : { limit }),
    ...(remaining === undefined ? {} : { remaining }),
    ...(windowSeconds === undefined ? {} : { windowSeconds }),
    ...(source === undefined ? {} : { source: cleanLine(source, 100) }),
    ...(retryAfter === undefined ? {} : { retryAfter: cleanLine(retryAfter, 40) }),
  };
}

/** The tags nearest to the one that is missing, and how many there are. */
export function tagEvidence(list: TagList, reference: Reference): TagEvidence {
  if (list.status !== 'listed') return list;
  const { tags, more } = list;
  const nearest = reference.digest === undefined ? nearestTags(manifestNameOf(reference), tags, 5) : [];
  return { status: 'listed', count: tags.length, more, nearest };
}

function leadingNumber(text: string | undefined): number | undefined {
  const digits = /^\s*(\d{1,12})/.exec(text ?? '')?.[1];
  return digits === undefined ? undefined : Number(digits);
}

function secondsBetween(from: number, to: number): number {
  return Math.round((to - from) / 1000);
}
