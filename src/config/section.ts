import type { DeployerError } from '../lib/errors.js';
import { nearest } from '../lib/nearest.js';
import { cleanLine } from '../lib/text.js';
import type { ConfigFile, Note } from './config-file.js';
import { Refusal } from './refusal.js';
import type { TomlNode, TomlTable } from './toml-document.js';

/** What a key means to this version when it does not read it. */
export type UnreadKey =
  | 'no effect here'
  | 'warn'
  /** Passing over it would deploy something else than the file says; the text says what. */
  | { readonly refuse: string };

export type UnreadKeys = Readonly<Record<string, UnreadKey>>;

/** What a reading of a file leaves behind beside the values. */
export interface ReadingAccount {
  /** Path of a key that was read -> `fly.toml:12`, or `default`. */
  readonly sources: Record<string, string>;
  /** What a person should know of the keys that were not. */
  readonly warnings: Note[];
  /** What this version must not pass over. */
  readonly refusals: Note[];
}

/** A table of a configuration file while it is read: typed values, and an account of all its keys. */
export class Section {
  readonly #file: ConfigFile;
  readonly #table: TomlTable;
  readonly #path: string;
  readonly #account: ReadingAccount;
  readonly #read = new Set<string>();

  /** @param path `''` for the file itself, else `http_service`, `deploy`, ... */
  constructor(file: ConfigFile, table: TomlTable, account: ReadingAccount, path = '') {
    this.#file = file;
    this.#table = table;
    this.#account = account;
    this.#path = path;
  }

  /**
   * The value of `key`, or undefined where there is none.
   * @param convert returns undefined for a value that is not what was `expected`, or a Refusal with words of its own
   * @throws DeployerError `config_invalid`
   */
  take<T>(
    key: string,
    expected: string,
    convert: (node: TomlNode) => T | Refusal | undefined,
  ): Exclude<T, Refusal> | undefined {
    const value = this.#convert(key, expected, convert);
    const at = this.#table.entries.get(key)?.at;
    if (at !== undefined) this.#account.sources[this.keyPath(key)] = this.#file.source(at);
    return value;
  }

  /** `value`, or the default where the file did not say. */
  otherwise<T>(key: string, value: T | undefined, defaultValue: T): T {
    if (value !== undefined) return value;
    this.#account.sources[this.keyPath(key)] = 'default';
    return defaultValue;
  }

  text(key: string): string | undefined {
    return this.take(key, 'a string', (node) => (node.type === 'string' ? node.value : undefined));
  }

  /** A string that `convert` makes something of. */
  choice<T>(key: string, convert: (text: string) => T | Refusal): Exclude<T, Refusal> | undefined {
    return this.take(key, 'a string', (node) => (node.type === 'string' ? convert(node.value) : undefined));
  }

  flag(key: string): boolean | undefined {
    return this.take(key, 'true or false', (node) => (node.type === 'boolean' ? node.value : undefined));
  }

  integer(key: string, least: number, most: number): number | undefined {
    return this.take(key, `a whole number from ${least} to ${most}`, (node) =>
      node.type === 'integer' && node.value >= least && node.value <= most ? Number(node.value) : undefined,
    );
  }

  /** The table under `key`. */
  section(key: string): Section | undefined {
    const table = this.#convert(key, 'a table', (node) => (isTable(node) ? node : undefined));
    return table && this.#child(table, this.keyPath(key));
  }

  /** The tables of `[[key]]`. */
  sections(key: string): Section[] {
    const tables = this.#convert(key, `a list of tables, [[${this.keyPath(key)}]]`, tablesOf);
    return (tables ?? []).map((table, index) => this.#child(table, `${this.keyPath(key)}[${index}]`));
  }

  /** As `section`; in older files the same content may be spread over a list of tables. */
  spreadSections(key: string): Section[] {
    const tables = this.#convert(key, 'a table', (node) => (isTable(node) ? [node] : tablesOf(node)));
    return (tables ?? []).map((table) => this.#child(table, this.keyPath(key)));
  }

  keys(): string[] {
    return [...this.#table.entries.keys()];
  }

  /**
   * Accounts for the keys that were not read: a warning each, a refusal for one that must not be passed over.
   * @param unread the keys that exist, but which this version does not act on
   */
  finish(unread: UnreadKeys = {}): void {
    for (const [key, { at }] of this.#table.entries) {
      if (this.#read.has(key)) continue;
      const meaning = Object.hasOwn(unread, key) ? unread[key] : undefined;
      if (meaning === 'no effect here') continue;
      if (typeof meaning === 'object') {
        this.refuse(key, meaning.refuse);
        continue;
      }
      const name = cleanLine(this.keyPath(key), 80);
      const text =
        meaning === 'warn' ? `${name} has no effect in this version` : this.#unknown(key, name, unread);
      this.#account.warnings.push({ at, text });
    }
  }

  /** `config_invalid` about the value of `key`: says what was found there. */
  problem(key: string, message: string): DeployerError {
    const entry = this.#table.entries.get(key);
    const found = entry === undefined ? 'missing' : describe(entry.value);
    return this.#file.problem(entry?.at ?? this.#table.at, `${this.keyPath(key)} is ${found}; ${message}`);
  }

  /** Notes a key that this version must not pass over; the whole file is read before that is an error. */
  refuse(key: string, reason: string): void {
    const at = this.#table.entries.get(key)?.at ?? this.#table.at;
    this.#account.refusals.push({ at, text: `${this.keyPath(key)} is not supported yet: ${reason}` });
  }

  keyPath(key: string): string {
    return this.#path === '' ? key : `${this.#path}.${key}`;
  }

  #convert<T>(
    key: string,
    expected: string,
    convert: (node: TomlNode) => T | Refusal | undefined,
  ): Exclude<T, Refusal> | undefined {
    this.#read.add(key);
    const entry = this.#table.entries.get(key);
    if (entry === undefined) return undefined;
    const value = convert(entry.value);
    if (value === undefined) throw this.problem(key, `expected ${expected}`);
    if (value instanceof Refusal) throw this.problem(key, value.reason);
    return value as Exclude<T, Refusal>;
  }

  #child(table: TomlTable, path: string): Section {
    return new Section(this.#file, table, this.#account, path);
  }

  #unknown(key: string, name: string, unread: UnreadKeys): string {
    const near = nearest(key, [...this.#read, ...Object.keys(unread)]);
    return `unknown key ${name} has no effect${near === undefined ? '' : `; did you mean ${near}?`}`;
  }
}

function isTable(node: TomlNode): node is TomlTable {
  return node.type === 'table';
}

function tablesOf(node: TomlNode): readonly TomlTable[] | undefined {
  return node.type === 'array' && node.items.every(isTable) ? node.items : undefined;
}

function describe(node: TomlNode): string {
  switch (node.type) {
    case 'string':
      return JSON.stringify(cleanLine(node.value, 60));
    case 'table':
      return 'a table';
    case 'array':
      return 'a list';
    default:
      return cleanLine(String(node.value), 60);
  }
}
