import { DeployerError } from '../lib/errors.js';
import { withoutUserinfo } from '../lib/redact.js';
import { cleanLine } from '../lib/text.js';
import { isDigest, type Digest } from './digest.js';

/** An image reference, normalised: `docker.io` and `library/` are filled in, aliases of docker.io folded. */
export interface Reference {
  /** `docker.io`, `localhost:5000`, `[::1]:5000` */
  readonly domain: string;
  /** `library/alpine`, `team/app` */
  readonly path: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

/** A host of 255 (RFC 1035) with a port, a path of 255, a tag of 128 and a sha512 digest: nothing valid is longer. */
const LONGEST = 800;
const LONGEST_PATH = 255;
const DOCKER_HUB_ALIASES: ReadonlySet<string> = new Set([
  'docker.io',
  'index.docker.io',
  'registry-1.docker.io',
]);

// Each pattern runs on a part without its separators, and none nests a quantifier over an ambiguous choice:
// every match is linear in the length of its part.
const HOST_LABEL = /^[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?$/;
const IPV6 = /^\[[0-9A-Fa-f:]{2,39}\]$/;
const PORT = /^\d{1,5}$/;
const PATH_COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const BARE_ID = /^[a-f0-9]{64}$/;

/**
 * Parses an image reference by the grammar of distribution/reference, with Docker's short names.
 * The first part is a host if it is `localhost`, holds `.` or `:`, or an upper-case letter. With a tag and a
 * digest both are kept; who resolves it lets the digest win.
 * Linear in the input's length, and constant beyond the longest valid one.
 * @throws DeployerError `reference_invalid`, saying which part is wrong and how it is written
 */
export function parseReference(input: string): Reference {
  const fail = (why: string, ...suggestions: string[]): DeployerError => invalid(input, why, suggestions);

  if (input === '') throw fail('it is empty');
  if (input.length > LONGEST)
    throw fail(`it is ${input.length} characters long, more than any reference can be`);
  const scheme = /^[a-z][a-z0-9+.-]*:\/\//i.exec(input);
  if (scheme) throw fail('a reference has no scheme', `leave out "${scheme[0]}"`);
  if (/\s/.test(input)) throw fail('it holds white space');
  if (withoutUserinfo(input) !== input) {
    throw fail(
      'a reference holds no credentials',
      'leave out what stands before the "@", and log in: docker login HOST',
    );
  }
  if (BARE_ID.test(input)) throw fail('64 hexadecimal digits are an image id, not a name');

  const [named, digest] = splitDigest(input, fail);
  const [domain, remainder] = splitDomain(named);
  const [path, tag] = splitTag(remainder);

  if (tag !== undefined && !isTag(tag)) {
    throw fail(
      `the tag "${cleanLine(tag, 60)}" may hold letters, digits, "_", "." and "-", at most 128, not starting with "." or "-"`,
    );
  }
  if (domain !== undefined) checkDomain(domain, fail);
  // `[domain/]path[:tag][@digest]`
  const at = domain === undefined ? 0 : domain.length + 1;
  const lowered = `${input.slice(0, at)}${path.toLowerCase()}${input.slice(at + path.length)}`;
  checkPath(path, cleanLine(lowered, LONGEST), fail);

  const normalDomain = domain === undefined || DOCKER_HUB_ALIASES.has(domain) ? 'docker.io' : domain;
  const normalPath = normalDomain === 'docker.io' && !path.includes('/') ? `library/${path}` : path;
  if (normalPath.length > LONGEST_PATH)
    throw fail(`the repository's path is longer than ${LONGEST_PATH} characters`);
  return {
    domain: normalDomain,
    path: normalPath,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  };
}

/** Whether `text` may stand behind the colon of a reference. */
export function isTag(text: string): boolean {
  return TAG.test(text);
}

/** `domain/path[:tag][@digest]`; parses back to the same reference. */
export function formatReference(reference: Reference): string {
  const tag = reference.tag === undefined ? '' : `:${reference.tag}`;
  const digest = reference.digest === undefined ? '' : `@${reference.digest}`;
  return `${repositoryOf(reference)}${tag}${digest}`;
}

/** `domain/path` */
export function repositoryOf(reference: Reference): string {
  return `${reference.domain}/${reference.path}`;
}

/** What a registry is asked for: the digest if there is one, else the tag, else `latest`. */
export function manifestNameOf(reference: Reference): string {
  return reference.digest ?? reference.tag ?? 'latest';
}

type Fail = (why: string, ...suggestions: string[]) => DeployerError;

function splitDigest(input: string, fail: Fail): [named: string, digest: Digest | undefined] {
  const at = input.indexOf('@');
  if (at === -1) return [input, undefined];
  const digest = input.slice(at + 1);
  if (!isDigest(digest)) {
    throw fail(
      `"${cleanLine(digest, 60)}" is no digest: sha256: and 64, or sha512: and 128 lower-case hexadecimal digits`,
    );
  }
  return [input.slice(0, at), digest];
}

function splitDomain(named: string): [domain: string | undefined, remainder: string] {
  const slash = named.indexOf('/');
  if (slash === -1) return [undefined, named];
  const first = named.slice(0, slash);
  const isHost = first === 'localhost' || /[.:A-Z]/.test(first);
  return isHost ? [first, named.slice(slash + 1)] : [undefined, named];
}

function splitTag(remainder: string): [path: string, tag: string | undefined] {
  const colon = remainder.indexOf(':', remainder.lastIndexOf('/') + 1);
  return colon === -1 ? [remainder, undefined] : [remainder.slice(0, colon), remainder.slice(colon + 1)];
}

function checkDomain(domain: string, fail: Fail): void {
  const shown = cleanLine(domain, 60);
  const portAt = domain.startsWith('[') ? domain.indexOf(':', domain.indexOf(']')) : domain.indexOf(':');
  const host = portAt === -1 ? domain : domain.slice(0, portAt);
  const port = portAt === -1 ? undefined : domain.slice(portAt + 1);
  if (port !== undefined && !(PORT.test(port) && Number(port) <= 65_535)) {
    throw fail(`the registry "${shown}" has no valid port (IPv6 addresses are written in brackets)`);
  }
  if (host.startsWith('[')) {
    if (!IPV6.test(host) || !URL.canParse(`http://${host}`)) throw fail(`"${shown}" is no IPv6 address`);
  } else if (host.length > 255 || !host.split('.').every((label) => HOST_LABEL.test(label))) {
    throw fail(`"${shown}" is no host name`);
  } else if (!URL.canParse(`http://${host}`)) {
    // In the grammar, yet no place to connect to: `1.2.3.400`, or a label that is no punycode.
    throw fail(`"${shown}" is no host name that can be reached`);
  }
}

/** @param lowered the whole reference, its path in lower case */
function checkPath(path: string, lowered: string, fail: Fail): void {
  if (path === '') throw fail('the repository is missing');
  if (/[A-Z]/.test(path)) throw fail('a repository is written in lower case', lowered);
  const wrong = path.split('/').find((component) => !PATH_COMPONENT.test(component));
  if (wrong !== undefined) {
    throw fail(
      wrong === ''
        ? 'the repository has an empty part'
        : `the part "${cleanLine(wrong, 60)}" may hold lower-case letters and digits, separated by ".", "_", "__" or "-"`,
    );
  }
}

function invalid(input: string, why: string, suggestions: readonly string[]): DeployerError {
  return new DeployerError(
    'reference_invalid',
    `"${cleanLine(withoutUserinfo(input.slice(0, LONGEST)), 80)}" is no image reference: ${why}`,
    {
      suggestions: [
        ...suggestions,
        'write [HOST[:PORT]/]NAME[:TAG][@DIGEST], for example registry.fly.io/example:v1',
      ],
    },
  );
}
