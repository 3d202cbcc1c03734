/**
 * Changes single values inside a JSON text and leaves every other byte as it is: a manifest's digest covers its
 * blanks, its escapes and the order of its keys, and printing it anew would lose them.
 * All functions expect text that JSON.parse has accepted.
 */

/** Where a value stands in the text, `end` excluded. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface Edit extends Span {
  readonly text: string;
}

/** The values of the object at `span` by their keys; of a repeated key the last one, as JSON.parse has it. */
export function membersOf(text: string, span: Span): Map<string, Span> {
  const members = new Map<string, Span>();
  let at = skipBlanks(text, span.start + 1);
  while (text[at] === '"') {
    const keyEnd = endOfString(text, at);
    const start = skipBlanks(text, skipBlanks(text, keyEnd) + 1);
    const end = endOfValue(text, start);
    members.set(JSON.parse(text.slice(at, keyEnd)) as string, { start, end });
    at = afterComma(text, end);
  }
  return members;
}

/** The elements of the array at `span`. */
export function elementsOf(text: string, span: Span): Span[] {
  const elements: Span[] = [];
  let start = skipBlanks(text, span.start + 1);
  while (text[start] !== ']') {
    const end = endOfValue(text, start);
    elements.push({ start, end });
    start = afterComma(text, end);
  }
  return elements;
}

export function rootOf(text: string): Span {
  const start = skipBlanks(text, 0);
  return { start, end: endOfValue(text, start) };
}

/** The text with the edits made; they may come in any order and must not overlap. */
export function applyEdits(text: string, edits: readonly Edit[]): string {
  const parts: string[] = [];
  let at = 0;
  for (const edit of [...edits].sort((a, b) => a.start - b.start)) {
    parts.push(text.slice(at, edit.start), edit.text);
    at = edit.end;
  }
  return parts.join('') + text.slice(at);
}

/** Keeps these elements of the array at `span`, and the blanks as they are around the others. */
export function keepElements(text: string, span: Span, keep: (index: number) => boolean): Edit {
  const elements = elementsOf(text, span);
  const [first, second] = elements;
  const last = elements.at(-1);
  if (first === undefined || last === undefined) return { ...span, text: text.slice(span.start, span.end) };
  const separator = second === undefined ? ',' : text.slice(first.end, second.start);
  const kept = elements.filter((_, index) => keep(index)).map(({ start, end }) => text.slice(start, end));
  return { start: first.start, end: last.end, text: kept.join(separator) };
}

function endOfValue(text: string, start: number): number {
  if (text[start] === '"') return endOfString(text, start);
  if (text[start] !== '{' && text[start] !== '[') return endOfScalar(text, start);
  // Counts brackets instead of calling itself: no depth of nesting is too much.
  let depth = 0;
  for (let at = start; at < text.length; at += 1) {
    const character = text[at];
    if (character === '"') at = endOfString(text, at) - 1;
    else if (character === '{' || character === '[') depth += 1;
    else if (character === '}' || character === ']') depth -= 1;
    if (depth === 0) return at + 1;
  }
  return text.length;
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}

function endOfScalar(text: string, start: number): number {
  let at = start;
  while (at < text.length && !/[\s,\]}]/.test(text[at] as string)) at += 1;
  return at;
}

function skipBlanks(text: string, start: number): number {
  let at = start;
  while (at < text.length && /\s/.test(text[at] as string)) at += 1;
  return at;
}

function afterComma(text: string, start: number): number {
  const at = skipBlanks(text, start);
  return text[at] === ',' ? skipBlanks(text, at + 1) : at;
}
