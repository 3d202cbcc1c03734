import { DeployerError } from '../lib/errors.js';
import { cleanLine } from '../lib/text.js';

/** More hops than any registry or API needs; a loop ends here. */
export const MOST_REDIRECTS = 5;

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/**
 * Where an answer sends a GET or HEAD on to, or undefined when it doesn't.
 * @throws DeployerError `redirect_refused` for a target that can't be read, is not http(s), or leaves https
 */
export function redirectTarget(
  from: URL,
  method: string,
  status: number,
  location: string | undefined,
): URL | undefined {
  if (!REDIRECTS.has(status) || location === undefined || (method !== 'GET' && method !== 'HEAD'))
    return undefined;
  if (!URL.canParse(location, from.href)) throw refused(from, location, 'it is no URL');
  const to = new URL(location, from);
  if (to.protocol !== 'https:' && to.protocol !== 'http:')
    throw refused(from, location, 'it is neither http nor https');
  if (from.protocol === 'https:' && to.protocol === 'http:')
    throw refused(from, location, 'it would leave https');
  return to;
}

function refused(from: URL, location: string, why: string): DeployerError {
  return new DeployerError(
    'redirect_refused',
    `${from.host} redirects to a place that is not followed: ${why}`,
    {
      evidence: [`Location: ${cleanLine(location.split('?')[0] as string, 120)}`],
      suggestions: ['check the host name; a login page or a proxy may stand before the server'],
    },
  );
}
