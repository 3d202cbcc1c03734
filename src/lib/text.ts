// C0 and C1 controls, DEL, and the bidirectional overrides: a server's text must not move the cursor, colour
// a line, or reorder what a person reads.
// eslint-disable-next-line no-control-regex
const UNSAFE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g;

/** One printable line out of text that a server sent: control characters gone, blanks folded, length bounded. */
export function cleanLine(text: string, limit = 300): string {
  const line = cleanText(text, limit * 4)
    .replace(/\s+/g, ' ')
    .trim();
  return line.length > limit ? `${line.slice(0, limit - 1)}…` : line;
}

/** As `cleanLine`, but keeps tabs and line feeds. */
export function cleanText(text: string, limit = 64 * 1024): string {
  return text.slice(0, limit).replace(UNSAFE, '');
}

/** As a POSIX shell reads it as one word. */
export function shellWord(text: string): string {
  return /^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
