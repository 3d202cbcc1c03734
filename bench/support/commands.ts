import { fileURLToPath } from 'node:url';
import { MODERN_ROOT } from '../../test/support/requirements.js';
import type { Command } from './measure.js';

const PROGRAM = fileURLToPath(new URL('../../bin/run.js', import.meta.url));

/** The floor under every Node program: Node's own start. */
export const nodeAlone: Command = { argv: [process.execPath, '-e', '0'] };

/** The built program. */
export function deployer(...args: readonly string[]): Command {
  return { argv: [process.execPath, PROGRAM, ...args] };
}

/** A program of the Debian sid root (scripts/modern-root.mjs). */
export function modern(...argv: readonly string[]): Command {
  return { argv: ['chroot', MODERN_ROOT, ...argv], env: { HOME: '/root' } };
}
