import { stat } from 'node:fs/promises';
import { dirname, join, parse, relative, resolve } from 'node:path';
import { DeployerError, messageOf } from '../lib/errors.js';
import { cleanLine } from '../lib/text.js';
import { readBounded, TooLarge } from './bounded-file.js';
import { parseToml, TomlSyntaxError, type Position, type TomlTable } from './toml-document.js';

/** In the order in which a folder's are preferred. */
const FILE_NAMES = ['deployer.toml', 'fly.toml'] as const;

const LARGEST_FILE = 1024 * 1024;

/** A configuration file that was read: its content, and errors that point into it. */
export class ConfigFile {
  readonly path: string;
  /** As a person finds it from where they are: `fly.toml`, `../fly.toml`. */
  readonly name: string;
  readonly table: TomlTable;
  readonly #lines: readonly string[];

  private constructor(path: string, name: string, table: TomlTable, lines: readonly string[]) {
    this.path = path;
    this.name = name;
    this.table = table;
    this.#lines = lines;
  }

  /**
   * @param name what errors call it
   * @throws DeployerError `config_not_found`, `config_invalid`
   */
  static async read(path: string, name: string): Promise<ConfigFile> {
    const text = await readText(path, name);
    const lines = text.split(/\r?\n/);
    try {
      return new ConfigFile(path, name, await parseToml(text), lines);
    } catch (error) {
      if (!(error instanceof TomlSyntaxError)) throw error;
      throw problemAt(name, lines, error.at, `this is not TOML: ${error.message}`);
    }
  }

  /** `fly.toml:12` */
  source(at: Position): string {
    return `${this.name}:${at.line}`;
  }

  /** A `config_invalid` that names file, line and column and quotes the line. */
  problem(at: Position, message: string, suggestions: readonly string[] = []): DeployerError {
    return problemAt(this.name, this.#lines, at, message, suggestions);
  }

  /**
   * A `config_invalid` about all that the file has and this version can't do: whoever mends it mends it once.
   * @param refusals one at least
   */
  unsupported(refusals: readonly Note[]): DeployerError {
    const [first, ...others] = [...refusals].sort(byPlace) as [Note, ...Note[]];
    const mend = `deploy with a file that does without ${others.length === 0 ? 'it' : 'them'}: --config FILE (a deployer.toml goes before fly.toml)`;
    const error = this.problem(first.at, first.text, [mend]);
    if (others.length === 0) return error;
    return new DeployerError(error.code, error.message, {
      evidence: this.lines(refusals),
      suggestions: error.suggestions,
    });
  }

  /** `fly.toml:12: TEXT` of each, in the order in which they stand in the file. */
  lines(notes: readonly Note[]): string[] {
    return [...notes].sort(byPlace).map(({ at, text }) => `${this.source(at)}: ${text}`);
  }
}

/** What is to be said of a place in the file. */
export interface Note {
  readonly at: Position;
  readonly text: string;
}

function byPlace(one: Note, other: Note): number {
  return one.at.line - other.at.line || one.at.column - other.at.column;
}

/** A configuration file, and what a person calls it: as seen from where they are, or as they named it. */
interface NamedFile {
  readonly path: string;
  readonly name: string;
}

/**
 * The file to read: the one that was asked for, else deployer.toml or fly.toml in the nearest folder from `cwd`
 * upwards. The search ends with the repository that `cwd` is in; the home folder and the root are not searched
 * unless `cwd` is one of them: what lies there was not meant for this project.
 * @throws DeployerError `usage` for a flag without a name in it
 */
export async function findConfigFile(
  asked: string | undefined,
  cwd: string,
  home: string | undefined,
): Promise<NamedFile | undefined> {
  if (asked === '') throw new DeployerError('usage', '--config is empty; expected a file');
  if (asked !== undefined) {
    const path = resolve(cwd, asked);
    const fromHere = relative(cwd, path);
    // `../../nope` is not what was written where `/nope` was.
    return { path, name: fromHere === '' || fromHere.startsWith('..') ? asked : fromHere };
  }
  for (let folder = resolve(cwd); ; folder = dirname(folder)) {
    for (const name of FILE_NAMES) {
      const path = join(folder, name);
      if (await exists(path)) return { path, name: relative(cwd, path) };
    }
    if (await exists(join(folder, '.git'))) return undefined;
    const above = dirname(folder);
    if (above === folder || above === parse(above).root || above === home) return undefined;
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EACCES') return false;
    throw error;
  }
}

async function readText(path: string, name: string): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readBounded(path, LARGEST_FILE);
  } catch (error) {
    if (error instanceof TooLarge) {
      throw new DeployerError('config_invalid', `${name} is larger than 1 MiB: that is no configuration`);
    }
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new DeployerError('config_not_found', `there is no file ${name}`, {
        suggestions: [
          'name another with --config FILE',
          'leave --config out: deployer.toml or fly.toml is found',
        ],
        cause: error,
      });
    }
    throw new DeployerError('config_invalid', `${name} can't be read: ${messageOf(error)}`, { cause: error });
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new DeployerError('config_invalid', `${name}: TOML must be UTF-8, and this is not`, {
      cause: error,
    });
  }
}

function problemAt(
  name: string,
  lines: readonly string[],
  at: Position,
  message: string,
  suggestions: readonly string[] = [],
): DeployerError {
  return new DeployerError('config_invalid', `${name}:${at.line}:${at.column}: ${message}`, {
    evidence: [`${at.line} | ${cleanLine(lines[at.line - 1] ?? '')}`],
    suggestions,
  });
}
