import { DeployerError, type ErrorCode } from '../lib/errors.js';
import { describeLogin, loginMends, readAccess, type Login } from '../lib/login.js';
import { cleanLine } from '../lib/text.js';
import { formatReference, repositoryOf, type Reference } from '../oci/reference.js';
import { describeAccept, describeAnswer, type RegistryAnswer } from './answer.js';

/**
 * Turns an answer that is no manifest into the error that explains it. Pure; what more is worth asking (the tags
 * that are there) is asked by who calls.
 */
export function refusalOf(answer: RegistryAnswer, reference: Reference): DeployerError {
  const found = findRefusal(answer, reference);
  return new DeployerError(found.code, found.message, {
    evidence: [...(found.evidence ?? []), ...evidenceOf(answer)],
    suggestions: found.suggestions,
  });
}

interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
  readonly evidence?: readonly string[];
  readonly suggestions: readonly string[];
}

function findRefusal(answer: RegistryAnswer, reference: Reference): Refusal {
  const { status } = answer;
  if (status === 407) return proxyRefusal(answer);
  // What stands before a registry (nginx, a load balancer) says these three with pages of its own.
  if (status === 429) return rateLimited(answer, reference);
  if (status >= 500) return unavailable(answer, reference);
  if (status === 401 && answer.headers['www-authenticate'] !== undefined)
    return unauthorized(answer, reference);
  if (isTlsPort(answer)) return tlsPort(answer);
  if (answer.html) return pageRefusal(answer);
  if (status === 401 && (answer.authorized || answer.errors.length > 0))
    return unauthorized(answer, reference);
  if (status === 403) return denied(answer, reference);
  if (status === 404) return notFound(answer, reference);
  if (status >= 400 && answer.errors.length > 0) return rejected(answer, reference);
  return {
    code: 'not_a_registry',
    message: `${reference.domain} gave an answer (${status}) that no registry gives`,
    evidence: wordsOf(answer),
    suggestions: ['check the host name and port of the reference'],
  };
}

function unavailable(answer: RegistryAnswer, { domain }: Reference): Refusal {
  return {
    code: 'registry_unavailable',
    message: `the registry ${domain} failed to answer (${answer.status}), also when asked again`,
    evidence: wordsOf(answer),
    suggestions: ["try again in a moment; the registry's status page may tell more"],
  };
}

function rejected(answer: RegistryAnswer, reference: Reference): Refusal {
  return {
    code: 'registry_rejected',
    message: `the registry ${reference.domain} rejects what it was asked for ${formatReference(reference)} (${answer.status})`,
    suggestions: ['check that the registry takes such names and tags'],
  };
}

function unauthorized(answer: RegistryAnswer, { domain, path }: Reference): Refusal {
  const sent = answer.authorized;
  const [first = '', ...others] = loginMends(answer.login, domain);
  return {
    code: 'registry_unauthorized',
    message: sent
      ? `the registry ${domain} does not accept the credentials (or token) it was given for ${path}`
      : `the registry ${domain} asks for credentials, and none were found`,
    evidence: sent ? scopesOf(answer) : [],
    suggestions: [
      first,
      ...(sent ? ["check the repository's name: some registries answer 401 for what is not there"] : []),
      ...others,
      ...(domain === 'registry.fly.io'
        ? ['for registry.fly.io: user "x", password a Fly token (fly auth docker)']
        : []),
    ],
  };
}

function scopesOf({ scopes }: RegistryAnswer): string[] {
  if (scopes === undefined) return [];
  const named = scopes.named.length === 0 ? 'none' : scopes.named.map((one) => cleanLine(one, 120)).join(' ');
  return [`the token was asked for the scope ${scopes.asked.join(' ')}; the registry named ${named}`];
}

function denied({ login }: RegistryAnswer, { domain, path }: Reference): Refusal {
  return {
    code: 'registry_denied',
    message: `the registry ${domain} knows who asks, but does not let them read ${path}`,
    suggestions: [
      readAccess(path, domain, login),
      "check the repository's name: some registries answer 403 for what is not there",
    ],
  };
}

function notFound(answer: RegistryAnswer, reference: Reference): Refusal {
  const has = (code: string): boolean => answer.errors.some((entry) => entry.code === code);
  const form = answer.errors.find(({ message }) =>
    /accept header does not support|does not accept/i.test(message),
  );
  if (form !== undefined) {
    return {
      code: 'image_form_not_accepted',
      message: `${formatReference(reference)} is there, but in a form that was not asked for`,
      evidence: [`the registry says: "${form.message}"`],
      suggestions: ['ask with every media type: leave --accept docker out'],
    };
  }
  if (has('NAME_UNKNOWN')) return repositoryMissing(reference, answer.login);
  if (reference.digest !== undefined) {
    return {
      code: 'digest_not_found',
      message: `${repositoryOf(reference)} holds nothing with the digest ${reference.digest}`,
      suggestions: [`see what is there: deployer image inspect ${repositoryOf(reference)}:TAG`],
    };
  }
  return {
    code: 'tag_not_found',
    message: `${formatReference(reference)} is not there`,
    suggestions: [],
  };
}

/**
 * The registry does not know the repository (or does not show it to who asked).
 * @param login it was asked with, and accepted
 */
export function repositoryMissing(reference: Reference, login?: Login): Refusal {
  return {
    code: 'repository_not_found',
    message: `${formatReference(reference)} is not there: the registry ${reference.domain} knows no repository ${reference.path}`,
    suggestions: [
      'check the spelling of the repository',
      login === undefined
        ? `a private one may be hidden from who is not logged in: docker login ${reference.domain}`
        : `a private one may be hidden from who lacks the right to it: ${describeLogin(login)}`,
    ],
  };
}

function rateLimited(answer: RegistryAnswer, { domain }: Reference): Refusal {
  const { 'retry-after': after, 'ratelimit-limit': limit, 'ratelimit-remaining': remaining } = answer.headers;
  return {
    code: 'registry_rate_limited',
    message: `the registry ${domain} limits how often it is asked, and the limit is reached`,
    evidence: [
      ...(after === undefined ? [] : [`Retry-After: ${cleanLine(after, 40)}`]),
      ...(limit === undefined ? [] : [`RateLimit-Limit: ${cleanLine(limit, 40)}`]),
      ...(remaining === undefined ? [] : [`RateLimit-Remaining: ${cleanLine(remaining, 40)}`]),
    ],
    suggestions: [`wait, or log in for a higher limit: docker login ${domain}`],
  };
}

function proxyRefusal(answer: RegistryAnswer): Refusal {
  return {
    code: 'proxy_failed',
    message: `a proxy on the way to ${answer.url.host} wants credentials (407)`,
    suggestions: [
      'put them into the variable: HTTPS_PROXY=http://USER:PASSWORD@PROXY:PORT',
      `or except the host: NO_PROXY=${answer.url.hostname}`,
    ],
  };
}

function pageRefusal(answer: RegistryAnswer): Refusal {
  return {
    code: 'not_a_registry',
    message: `${answer.url.host} answered with a web page where a registry answers with JSON`,
    evidence: wordsOf(answer),
    suggestions: [
      'check the host name and port of the reference',
      `a proxy or a login page may stand in between: try NO_PROXY=${answer.url.hostname}`,
    ],
  };
}

/** The words of Go's net/http, nginx and Apache for a plain request that met their TLS port. */
const TLS_PORT = /HTTP request (?:to an HTTPS server|was sent to HTTPS port)|plain HTTP to an SSL-enabled/i;

function isTlsPort({ status, url, bytes }: RegistryAnswer): boolean {
  return status === 400 && url.protocol === 'http:' && TLS_PORT.test(bytes.toString('latin1', 0, 4096));
}

function tlsPort(answer: RegistryAnswer): Refusal {
  const { host } = answer.url;
  return {
    code: 'not_a_registry',
    message: `${host} speaks TLS, and was asked over plain http`,
    evidence: wordsOf(answer),
    suggestions: [`leave --insecure-registry ${host} out: it is for a registry that speaks plain http`],
  };
}

/** What the server says where a registry has its errors: a page's title, else the first line. */
function wordsOf(answer: RegistryAnswer): string[] {
  if (answer.errors.length > 0) return [];
  if (answer.html) return titleOf(answer);
  const text = answer.bytes.toString('utf8', 0, 16_384).trimStart();
  const words = cleanLine(/^[^\r\n]*/.exec(text)?.[0] ?? '', 200);
  return words === '' ? [] : [`it says: "${words}"`];
}

function titleOf(answer: RegistryAnswer): string[] {
  const title = /<title[^>]*>([^<]{1,200})/i.exec(answer.bytes.subarray(0, 16_384).toString('utf8'))?.[1];
  return title === undefined ? [] : [`the page's title: "${cleanLine(title, 100)}"`];
}

function evidenceOf(answer: RegistryAnswer): string[] {
  const asked = answer.accept.length === 0 ? [] : [`asked with: ${describeAccept(answer.accept)}`];
  // A registry that is broken is so for everyone.
  const asWhom = answer.login !== undefined && answer.status < 500 ? [describeLogin(answer.login)] : [];
  return [describeAnswer(answer), ...asked, ...asWhom];
}
