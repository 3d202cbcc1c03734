import type { Diagnosis } from '../image/diagnose/diagnose.js';
import { isLoopbackHost } from '../lib/loopback.js';

type Client = Diagnosis['clients'][number];
type Target = Diagnosis['targets'][number];

/** With whose rights a target pulls. */
const RIGHTS: Readonly<Record<Target['pullsWith'], string>> = {
  'own-access': 'with its own access',
  anonymous: 'as anyone can',
  credentials: 'with credentials that it is given',
};

/** `image diagnose` for a person: who is told what, what follows, what speaks for it, and what mends it. */
export function diagnosisLines(diagnosis: Diagnosis): string[] {
  const { reference, digest, clients, targets, suggestions } = diagnosis;
  const evidence = evidenceLines(diagnosis);
  return [
    digest === undefined ? reference : `${reference}  ${digest}`,
    '',
    'What each kind of client is told:',
    ...clients.flatMap((client) => clientLines(client, diagnosis)),
    ...(targets.length > 0 ? ['', 'What follows for each target:'] : []),
    ...targets.map((target) => targetLine(target, diagnosis)),
    ...(evidence.length > 0 ? ['', 'What else was seen:', ...evidence.map((line) => `  ${line}`)] : []),
    ...(suggestions.length > 0 ? ['', ...suggestions.map((suggestion) => `Try: ${suggestion}`)] : []),
  ];
}

function clientLines(client: Client, { clients, digest }: Diagnosis): string[] {
  const { name, who, method, found } = client;
  const line = `  ${mark(found)} ${name.padEnd(18)} ${method.padEnd(4)} ${statusOf(client)}  ${who}`;
  const [full] = clients;
  if (!found) {
    // What everybody is told is told once.
    const isKnown = client !== full && full?.found === false && [whyOf(full), ''].includes(whyOf(client));
    return isKnown ? [line] : [line, ...reasonLines(client)];
  }
  if (client.digest === undefined || client.digest === digest) return [line];
  // A registry of old makes another manifest of it for who can't read the one that is there.
  const { mediaType = '' } = client;
  return [line, `      (is given another than the full client: ${client.digest} ${mediaType})`];
}

function statusOf({ status, notAsked }: Client): string {
  if (notAsked === true) return 'not asked';
  return status === 0 ? 'no answer' : String(status);
}

function reasonLines(client: Client): string[] {
  const why = whyOf(client);
  if (why !== '') return [`      ${why}`];
  return client.method === 'HEAD' ? ['      (an answer to HEAD has no body: the reason stays hidden)'] : [];
}

function whyOf({ code, message }: Client): string {
  return [code, message].filter((part) => part !== undefined && part !== '').join(': ');
}

function targetLine({ name, runs, adaptation, reason, pullsWith }: Target, { reference }: Diagnosis): string {
  // Whether the target runs on this machine too is not known here.
  const asItIs = isOnThisMachine(hostOf(reference))
    ? 'would run it as it is from a registry that it reaches'
    : 'runs it as it is';
  const verdict = runs ? asItIs : `needs: ${adaptation}`;
  return `  ${mark(runs)} ${name.padEnd(18)} ${verdict}. ${reason}; pulls ${RIGHTS[pullsWith]}`;
}

function hostOf(reference: string): string {
  const [host = ''] = reference.split('/');
  return host;
}

function isOnThisMachine(host: string): boolean {
  return URL.canParse(`http://${host}`) && isLoopbackHost(new URL(`http://${host}`).hostname);
}

function evidenceLines(diagnosis: Diagnosis): string[] {
  const { reference, digest, tokens, clock, rateLimit, tags, parts } = diagnosis;
  const host = hostOf(reference);
  return [
    ...(digest !== undefined && isOnThisMachine(host)
      ? [`reach       ${host} is this machine alone: a platform elsewhere can't pull from it`]
      : []),
    ...tokens.flatMap(tokenLines),
    ...(clock === undefined ? [] : [`clock       ${clockLine(clock)}`]),
    ...(rateLimit === undefined ? [] : [`rate limit  ${rateLimitLine(rateLimit)}`]),
    ...(tags === undefined ? [] : [`tags        ${tagsLine(tags)}`]),
    ...(parts === undefined ? [] : partsLines(parts)),
  ];
}

function tokenLines(token: Diagnosis['tokens'][number]): string[] {
  const { realm, credentials, asked, granted, lacking, aheadSeconds = 0, expiredSeconds } = token;
  const who = credentials === undefined ? 'without credentials' : `with the credentials from ${credentials}`;
  const given = granted === 'opaque' ? 'does not show (it is opaque)' : granted.join(', ') || 'nothing';
  return [
    `token       asked of ${realm} ${who}: ${asked.join(', ')}; granted: ${given}`,
    ...(lacking.length > 0 ? [`            not granted: ${lacking.join(', ')}`] : []),
    ...(aheadSeconds > 0
      ? [`            not valid yet: issued ${aheadSeconds} s ahead of the registry's clock`]
      : []),
    ...(expiredSeconds === undefined
      ? []
      : [`            no longer valid: it expired ${expiredSeconds} s ago by the registry's clock`]),
  ];
}

/** A Date header has whole seconds, and is on its way for a while. */
const SAME_SECONDS = 2;

function clockLine({ registry, skewSeconds }: NonNullable<Diagnosis['clock']>): string {
  if (Math.abs(skewSeconds) <= SAME_SECONDS) return "the registry's and this machine's agree";
  const way = skewSeconds > 0 ? 'ahead of' : 'behind';
  return `the registry's is ${Math.abs(skewSeconds)} s ${way} this machine's (${registry})`;
}

function rateLimitLine({
  limit,
  remaining,
  windowSeconds,
  source,
  retryAfter,
}: NonNullable<Diagnosis['rateLimit']>): string {
  const window = windowSeconds === undefined ? '' : ` in ${windowSeconds} s`;
  return [
    ...(remaining === undefined ? [] : [`${remaining} left`]),
    ...(limit === undefined ? [] : [`of ${limit}${window}`]),
    ...(source === undefined ? [] : [`counted for ${source}`]),
    ...(retryAfter === undefined ? [] : [`Retry-After: ${retryAfter}`]),
  ].join(', ');
}

function tagsLine(tags: NonNullable<Diagnosis['tags']>): string {
  if (tags.status === 'no-repository') return 'none: the registry knows no such repository';
  if (tags.status === 'unknown') return `can't be listed: ${tags.why}`;
  const count = `${tags.more ? 'more than ' : ''}${tags.count}`;
  return tags.nearest.length === 0 ? count : `${count}, nearest: ${tags.nearest.join(', ')}`;
}

function partsLines({ complete, checked, problems }: NonNullable<Diagnosis['parts']>): string[] {
  const manifests = counted(checked.manifests, 'manifest');
  const looked = complete
    ? `${manifests} and ${counted(checked.blobs, 'blob')} asked for`
    : `${manifests} asked for (--complete: also configs and layers)`;
  return [
    `parts       ${looked}: ${problems.length === 0 ? 'all there' : `${problems.length} not to be had`}`,
    ...problems.map(
      ({ kind, digest, state, breaks, reason }) =>
        `            ✖ ${kind} ${digest} is ${state}, breaks ${breaks.join(', ')}: ${reason}`,
    ),
  ];
}

function mark(good: boolean): string {
  return good ? '✔' : '✖';
}

function counted(count: number, what: string): string {
  return count === 1 ? `1 ${what}` : `${count} ${what}s`;
}
