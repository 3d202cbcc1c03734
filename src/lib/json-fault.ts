// Each alternative starts with another character: linear.

const TOKEN =
  // eslint-disable-next-line no-control-regex
  /[ \t\n\r]*(?:([{}[\],:])|(")(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*"|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null))/y;

/** What may stand next: `v` a number or word, `"` a string, else the character itself. */
const VALUE = 'v"{[';
const KEY = '"';

/**
 * The line, from 1, on which a text stops being JSON (RFC 8259). For texts that JSON.parse refused: what it says
 * itself does not always tell where, and quotes the text, which may hold secrets.
 */
export function lineOfJsonFault(text: string): number {
  const token = new RegExp(TOKEN);
  const open: string[] = [];
  let at = 0;
  for (let allowed = VALUE; ; at = token.lastIndex) {
    token.lastIndex = at;
    const match = token.exec(text);
    const kind = match?.[1] ?? match?.[2] ?? (match === null ? undefined : 'v');
    if (kind === undefined || !allowed.includes(kind)) break;
    allowed = allowedAfter(kind, allowed, open);
  }
  const blanks = /^[ \t\n\r]*/.exec(text.slice(at))?.[0] ?? '';
  return (text.slice(0, at) + blanks).split('\n').length;
}

/** @param open the brackets that must still be closed, changed by this */
function allowedAfter(kind: string, allowed: string, open: string[]): string {
  if (kind === '{') open.push('}');
  if (kind === '[') open.push(']');
  if (kind === '}' || kind === ']') open.pop();
  const end = open.at(-1) ?? '';
  switch (kind) {
    case '{':
      return KEY + end;
    case '[':
      return VALUE + end;
    case ':':
      return VALUE;
    case ',':
      return end === '}' ? KEY : VALUE;
    default:
      if (kind === '"' && (allowed === KEY || allowed === `${KEY}}`)) return ':';
      return end === '' ? '' : `,${end}`;
  }
}
