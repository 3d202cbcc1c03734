import type { AST } from 'toml-eslint-parser';

/** Where something stands in a file; both from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

export type TomlNode =
  | TomlTable
  | TomlArray
  | { readonly type: 'string'; readonly value: string; readonly at: Position }
  | { readonly type: 'integer'; readonly value: bigint; readonly at: Position }
  | { readonly type: 'float'; readonly value: number; readonly at: Position }
  | { readonly type: 'boolean'; readonly value: boolean; readonly at: Position }
  | { readonly type: 'date'; readonly value: string; readonly at: Position };

export interface TomlArray {
  readonly type: 'array';
  readonly items: readonly TomlNode[];
  readonly at: Position;
}

export interface TomlTable {
  readonly type: 'table';
  readonly entries: ReadonlyMap<string, TomlEntry>;
  readonly at: Position;
}

export interface TomlEntry {
  /** Of the key; of the header when a `[table]` made the entry. */
  readonly at: Position;
  readonly value: TomlNode;
}

/** What is wrong with a text that is not TOML. */
export class TomlSyntaxError extends Error {
  readonly at: Position;

  constructor(message: string, at: Position) {
    super(message);
    this.name = 'TomlSyntaxError';
    this.at = at;
  }
}

/**
 * Reads TOML 1.0 with the position of every key and value.
 * @throws TomlSyntaxError
 */
export async function parseToml(text: string): Promise<TomlTable> {
  const { parseTOML, ParseError } = await import('toml-eslint-parser');
  try {
    return toTable(parseTOML(text, { tomlVersion: '1.0' }));
  } catch (error) {
    if (error instanceof ParseError) throw syntaxError(error, text);
    // The parser recurses, and spreads strings: a thousandfold nesting or a huge string ends its stack.
    if (error instanceof RangeError)
      throw new TomlSyntaxError('Nested too deeply, or a string too long', { line: 1, column: 1 });
    throw error;
  }
}

interface ParseFault {
  readonly lineNumber: number;
  readonly column: number;
  readonly message: string;
}

function syntaxError(fault: ParseFault, text: string): TomlSyntaxError {
  const lines = text.split(/\r?\n/);
  const at = placeOf(fault, lines);
  const isHeader = /^\s*\[/.test(lines[at.line - 1] ?? '') && fault.message.endsWith(ON_ONE_LINE);
  return new TomlSyntaxError(isHeader ? "A table's header ends with ]" : fault.message, at);
}

const ON_ONE_LINE = 'on the same line';

/** That a line is not complete shows where the next one begins, or at the text's end: the line itself is named. */
function placeOf({ lineNumber, column, message }: ParseFault, lines: readonly string[]): Position {
  const at = { line: lineNumber, column: column + 1 };
  const before = lines.slice(0, at.line - 1).findLastIndex((line) => line.trim() !== '');
  const previous = lines[before]?.trimEnd();
  const isAtEnd = lines.slice(at.line - 1).every((line) => line.trim() === '');
  const isIncomplete =
    /=\s*(?:#.*)?$/.test(previous ?? '') ||
    message.endsWith(ON_ONE_LINE) ||
    message.startsWith('No newlines');
  const isAtStart = (lines[at.line - 1] ?? '').slice(0, column).trim() === '';
  return isAtStart && previous !== undefined && (isAtEnd || isIncomplete)
    ? { line: before + 1, column: previous.length + 1 }
    : at;
}

interface MutableTable extends TomlTable {
  readonly entries: Map<string, TomlEntry>;
}

interface MutableArray extends TomlArray {
  readonly items: TomlNode[];
}

// The parser has checked that no key is defined twice and that no table is extended that may not be.
function toTable(program: AST.TOMLProgram): TomlTable {
  const root = newTable({ line: 1, column: 1 });
  for (const node of program.body[0].body) {
    const table = node.type === 'TOMLTable' ? tableAt(root, node) : root;
    for (const keyValue of node.type === 'TOMLTable' ? node.body : [node]) addKeyValue(table, keyValue);
  }
  return root;
}

/** The table that a `[header]` or `[[header]]` opens, made on the way where it is not there yet. */
function tableAt(root: MutableTable, header: AST.TOMLTable): MutableTable {
  const at = positionOf(header);
  const { resolvedKey } = header;
  return resolvedKey.reduce<MutableTable | MutableArray>((container, key, index) => {
    const isArray = typeof resolvedKey[index + 1] === 'number';
    const make = () => (isArray ? newArray(at) : newTable(at));
    return childOf(container, key, at, make);
  }, root) as MutableTable;
}

function addKeyValue(table: MutableTable, node: AST.TOMLKeyValue): void {
  const at = positionOf(node.key);
  const names = node.key.keys.map((key) => (key.type === 'TOMLBare' ? key.name : key.value));
  const last = names.pop() as string;
  const parent = names.reduce<MutableTable>(
    (container, name) => childOf(container, name, at, () => newTable(at)) as MutableTable,
    table,
  );
  parent.entries.set(last, { at, value: toNode(node.value) });
}

function childOf(
  container: MutableTable | MutableArray,
  key: string | number,
  at: Position,
  make: () => MutableTable | MutableArray,
): MutableTable | MutableArray {
  if (container.type === 'array') {
    const index = key as number;
    return (container.items[index] ??= make()) as MutableTable | MutableArray;
  }
  const name = String(key);
  const known = container.entries.get(name)?.value;
  if (known !== undefined) return known as MutableTable | MutableArray;
  const made = make();
  container.entries.set(name, { at, value: made });
  return made;
}

function toNode(node: AST.TOMLContentNode): TomlNode {
  const at = positionOf(node);
  if (node.type === 'TOMLArray') return { ...newArray(at), items: node.elements.map(toNode) };
  if (node.type === 'TOMLInlineTable') {
    const table = newTable(at);
    for (const keyValue of node.body) addKeyValue(table, keyValue);
    return table;
  }
  if (node.kind === 'string') return { type: 'string', value: node.value, at };
  if (node.kind === 'integer') return { type: 'integer', value: node.bigint, at };
  if (node.kind === 'float') return { type: 'float', value: node.value, at };
  if (node.kind === 'boolean') return { type: 'boolean', value: node.value, at };
  return { type: 'date', value: node.datetime, at };
}

function newTable(at: Position): MutableTable {
  return { type: 'table', entries: new Map(), at };
}

function newArray(at: Position): MutableArray {
  return { type: 'array', items: [], at };
}

function positionOf(node: { readonly loc: AST.SourceLocation }): Position {
  return { line: node.loc.start.line, column: node.loc.start.column + 1 };
}
