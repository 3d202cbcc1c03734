import { fileURLToPath } from 'node:url';
import type { LoadOptions } from '@oclif/core/interfaces';
import { run as runOclif } from '@oclif/core/run';
import { createIo, type Io } from '../ui/io.js';
import { BundledPlugin, type LoadChunk } from './bundled-plugin.js';
import { asDeployerError, present } from './failure.js';
import { OutputWatch, untold } from './output-watch.js';
import { isUnknownCommand, unknownCommand } from './unknown-command.js';

/** The program as scripts/bundle.mjs makes it: its commands are chunks beside this one, in `folder`. */
export function runBundle(argv: readonly string[], folder: string, loadChunk: LoadChunk): Promise<void> {
  const plugin = new BundledPlugin(folder, loadChunk);
  return run(argv, { root: folder, plugins: new Map([[plugin.name, plugin]]) });
}

/**
 * The program. Commands present their own failures; here end those that come before a command runs.
 * @param argv the arguments, without node and script
 * @param root a file URL inside the package, from which oclif finds its package.json (or what oclif loads from)
 */
export async function run(argv: readonly string[], root: LoadOptions): Promise<void> {
  const stdout = new OutputWatch(process.stdout);
  const stderr = new OutputWatch(process.stderr);
  // What is thrown outside a command's own course: Node would print it with all that stands in it.
  process.on('uncaughtException', (thrown) => {
    const error = asDeployerError(thrown);
    present(error, processIo(argv));
    process.exit(error.exit);
  });
  try {
    await runOclif(asHelpFlag(argv), alone(root));
    await Promise.all([stdout.settle(), stderr.settle()]);
    if (stdout.failure !== undefined) throw untold(stdout.failure);
    // All is done and said. To end by itself Node would free one by one what goes with the process anyway.
    process.exit();
  } catch (thrown) {
    // oclif came with a listener of its own when the command was loaded.
    stdout.takeOver();
    const code = exitCodeOf(thrown) ?? (await presentFailure(thrown, argv, root));
    // Open connections must not keep a failed command alive; but writes to pipes are asynchronous on Windows.
    await Promise.all([stdout.settle(), stderr.settle()]);
    process.exit(code);
  }
}

/** This program takes no plugins: oclif would look for them in HOME, and warn of one that can't be used. */
function alone(root: LoadOptions): LoadOptions {
  const path = typeof root === 'string' && root.startsWith('file:') ? fileURLToPath(root) : root;
  return typeof path === 'string' ? { root: path, userPlugins: false } : path;
}

/** `help deploy` asks for what `deploy --help` does. Not a command: a host of this plugin has its own. */
function asHelpFlag(argv: readonly string[]): string[] {
  const [first, ...rest] = argv;
  return first === 'help' ? [...rest, '--help'] : [...argv];
}

async function presentFailure(thrown: unknown, argv: readonly string[], root: LoadOptions): Promise<number> {
  const error = isUnknownCommand(thrown) ? await unknownCommand(argv, root) : asDeployerError(thrown);
  present(error, processIo(argv));
  return error.exit;
}

function processIo(argv: readonly string[]): Io {
  const { env, stdout, stderr } = process;
  return createIo({ argv, env, stdout, stderr });
}

/** The exit code of an error that has been presented already. */
function exitCodeOf(thrown: unknown): number | undefined {
  if (!(thrown instanceof Error) || !('code' in thrown) || thrown.code !== 'EEXIT') return undefined;
  return (thrown as Error & { oclif?: { exit?: number } }).oclif?.exit ?? 1;
}
