import { DeployerError, type ErrorCode } from '../../lib/errors.js';
import { cleanLine } from '../../lib/text.js';
import { adviceFor, type Advice } from './advice.js';
import { isPullFailure } from './pull-failure.js';

/** An answer of the Machines API, read whole. */
export interface ApiAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** `POST https://host/path`, for evidence. */
  readonly asked: string;
}

/** Where the API's token came from, for the mend; undefined when that is not known. */
export type TokenSource = string | undefined;

/** What a refusal by the Machines API means to a user. The API's own sentence is always part of it. */
export function apiError(
  answer: ApiAnswer,
  tokenSource: TokenSource,
  advice: Advice = adviceFor(answer.asked.slice(answer.asked.indexOf(' ') + 1)),
): DeployerError {
  const { code, message, suggestions } = meaning(answer, tokenSource, advice);
  const sentence = sentenceOf(answer);
  return new DeployerError(code, sentence === '' ? message : `${message}: ${sentence}`, {
    evidence: evidenceOf(answer),
    suggestions,
  });
}

/** One line for what was asked and answered, one for the id that the platform's support asks for. */
export function evidenceOf(answer: ApiAnswer): string[] {
  const sentence = sentenceOf(answer);
  const lines = [`${answer.asked}: ${answer.status}${sentence === '' ? '' : ` ${sentence}`}`];
  const requestId = answer.headers['fly-request-id'];
  if (requestId !== undefined) lines.push(`fly-request-id: ${cleanLine(requestId, 80)}`);
  return lines;
}

/** The API writes `{error}`, for leases `{message}`; a proxy in between writes anything. */
export function sentenceOf({ body }: ApiAnswer): string {
  const document = parsed(body);
  return document === undefined
    ? cleanLine(body.replace(/<[^>]{0,500}>/g, ' '), 120)
    : cleanLine(saidIn(document) ?? '', 300);
}

function saidIn(document: unknown): string | undefined {
  if (document === null || typeof document !== 'object') return undefined;
  return ['error', 'message']
    .map((key): unknown => Reflect.get(document, key))
    .find((value) => typeof value === 'string');
}

/** Undefined when it is not JSON. */
function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

interface Meaning {
  readonly code: ErrorCode;
  readonly message: string;
  readonly suggestions: readonly string[];
}

function meaning(answer: ApiAnswer, tokenSource: TokenSource, advice: Advice): Meaning {
  const { status } = answer;
  const source = tokenSource ?? 'FLY_API_TOKEN';
  if (status === 401)
    return {
      code: 'api_unauthorized',
      message: `the Machines API does not accept the token${tokenSource === undefined ? '' : ` of ${tokenSource}`}`,
      suggestions: [advice.token(source)],
    };
  if (status === 403)
    return {
      code: 'api_denied',
      message: 'the Machines API denies this to the token',
      suggestions: [
        `check that the token of ${source} is for this app or organization${advice.tokens}`,
        'check the spelling of the app: --app NAME, FLY_APP',
      ],
    };
  if (status === 404 && answer.asked.includes('/machines/'))
    return {
      code: 'api_conflict',
      message: 'the Machines API does not know this machine',
      suggestions: ['it was destroyed meanwhile; deploy again'],
    };
  if (isFromElsewhere(answer))
    return {
      code: 'not_an_api',
      message: 'no Machines API answers there',
      suggestions: ['check the address of the API: --api-url, DEPLOYER_API_URL, FLY_FLAPS_BASE_URL'],
    };
  if (status === 404)
    return {
      code: 'app_not_found',
      message: 'the Machines API does not know this app',
      suggestions: ['check the spelling of the app: --app NAME, FLY_APP', ...advice.apps],
    };
  if (status === 429)
    return {
      code: 'api_rate_limited',
      message: 'the Machines API refuses for too many requests, and went on refusing',
      suggestions: ['try again in a minute; another deploy with the same token may be running'],
    };
  if (status >= 500 || status === 408)
    return {
      code: 'api_unavailable',
      message: `the Machines API failed (${status})`,
      suggestions: [advice.outage],
    };
  return { ...rejection(answer, advice), message: `the Machines API rejected the request (${status})` };
}

/** What the same request may yet be granted at another time is told apart from what has to be mended. */
function rejection({ status, body }: ApiAnswer, advice: Advice): Omit<Meaning, 'message'> {
  if (body.includes('insufficient_capacity'))
    return {
      code: 'insufficient_capacity',
      suggestions: ['choose another region: primary_region in fly.toml'],
    };
  if (status === 409 || status === 412)
    return {
      code: 'api_conflict',
      suggestions: ['something else changes the app at the moment, it seems: deploy again when it has ended'],
    };
  return {
    code: 'api_rejected',
    suggestions: isPullFailure(body)
      ? advice.pull('APP', 'REF')
      : ['mend what the API names in fly.toml or the flags, and deploy again'],
  };
}

/**
 * Whether what said 404 is no Machines API: that one says in JSON what there is not, and to create an app needs no
 * app. What else answers there has a page, or errors of another form (a registry's).
 */
export function isFromElsewhere({ status, body, asked }: ApiAnswer): boolean {
  if (status !== 404) return false;
  return (asked.startsWith('POST ') && asked.endsWith('/apps')) || saidIn(parsed(body)) === undefined;
}

/** Faults of the moment: the same question may be answered a little later. */
const PASSING: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'api_unavailable',
  'api_rate_limited',
  'connection_lost',
  'connection_timed_out',
  'connection_refused',
  'dns_failed',
]);

/** Whether to wait out this error instead of giving up, as long as there is time. */
export function isPassing(error: unknown): error is DeployerError {
  return error instanceof DeployerError && PASSING.has(error.code);
}

/** Faults after which nobody knows whether the request was carried out. */
const AMBIGUOUS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'api_unavailable',
  'connection_lost',
  'connection_timed_out',
]);

export function isAmbiguous(error: unknown): error is DeployerError {
  return error instanceof DeployerError && AMBIGUOUS.has(error.code);
}

/** The API's refusals of a request as such: another one may be granted. */
const REJECTIONS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'api_rejected',
  'api_conflict',
  'insufficient_capacity',
  'not_an_api',
]);

/** Whether the API answered, and said no to what was asked: nothing was carried out. */
export function isRejected(error: unknown): error is DeployerError {
  return error instanceof DeployerError && REJECTIONS.has(error.code);
}
