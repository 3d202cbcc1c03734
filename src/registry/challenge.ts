/** What a registry asks for in `WWW-Authenticate` (RFC 9110, 11.6.1; distribution's token specification). */
export type Challenge =
  | { readonly scheme: 'basic' }
  | { readonly scheme: 'bearer'; readonly realm: string; readonly service?: string; readonly scope?: string };

/** A header longer than this is not a challenge but an attack on the parser. */
const LONGEST = 8192;

/**
 * Reads the strongest challenge that is understood: bearer before basic, unknown schemes passed over.
 * Undefined when there is none, or a bearer challenge without a realm.
 */
export function parseChallenge(header: string | undefined): Challenge | undefined {
  if (header === undefined || header.length > LONGEST) return undefined;
  let basic: Challenge | undefined;
  for (const { scheme, parameters } of readChallenges(header)) {
    if (scheme === 'basic') basic ??= { scheme: 'basic' };
    const { realm, service, scope } = parameters;
    if (scheme === 'bearer' && realm) {
      return { scheme, realm, ...(service ? { service } : {}), ...(scope ? { scope } : {}) };
    }
  }
  return basic;
}

interface RawChallenge {
  readonly scheme: string;
  readonly parameters: Record<string, string | undefined>;
}

// One token a step, each alternative starting with a different character: linear.
const PIECE = /\s*(?:,|([A-Za-z][A-Za-z0-9._-]*)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?)/y;

function readChallenges(header: string): RawChallenge[] {
  const found: RawChallenge[] = [];
  const piece = new RegExp(PIECE);
  for (let at = 0; at < header.length; at = piece.lastIndex) {
    piece.lastIndex = at;
    const match = piece.exec(header);
    if (match === null) {
      // Not this grammar (the token68 of Negotiate, or rubbish): go on behind the next comma.
      const comma = header.indexOf(',', at);
      if (comma === -1) break;
      piece.lastIndex = comma + 1;
      continue;
    }
    const [, name, quoted, token] = match;
    if (name === undefined) continue;
    const value = quoted?.replace(/\\(.)/g, '$1') ?? token;
    if (value === undefined) found.push({ scheme: name.toLowerCase(), parameters: {} });
    else {
      const current = found.at(-1);
      if (current !== undefined) current.parameters[name.toLowerCase()] ??= value;
    }
  }
  return found;
}
