import type { LoadOptions } from '@oclif/core/interfaces';
import { run as runOclif } from '@oclif/core/run';
import { createIo, type Io } from '../ui/io.js';
import { asDeployerError, present } from './failure.js';
import { isUnknownCommand, unknownCommand } from './unknown-command.js';

/**
 * The program. Commands present their own failures; here end those that come before a command runs.
 * @param argv the arguments, without node and script
 * @param root a file URL inside the package, from which oclif finds its package.json (or what oclif loads from)
 */
export async function run(argv: readonly string[], root: LoadOptions): Promise<void> {
  // A reader that went away (`| head`) must not end a deploy halfway. oclif does the same for stdout.
  process.stderr.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  // What is thrown outside a command's own course: Node would print it with all that stands in it.
  process.on('uncaughtException', (thrown) => {
    const error = asDeployerError(thrown);
    present(error, processIo(argv));
    process.exit(error.exit);
  });
  try {
    await runOclif([...argv], root);
  } catch (thrown) {
    const code = exitCodeOf(thrown) ?? (await presentFailure(thrown, argv, root));
    // Open connections must not keep a failed command alive.
    await Promise.all([process.stdout, process.stderr].map(written));
    process.exit(code);
  }
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

// Writes to pipes are asynchronous on Windows: process.exit would cut them off.
function written(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.write('', () => resolve());
  });
}
