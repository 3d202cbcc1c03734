import { nodeAlone } from './commands.js';
import type { Command } from './measure.js';

/** Node's own start in an environment, beside which programs are measured in the same. */
export interface Floor {
  readonly name: string;
  readonly node: Command;
  /** The command in this environment. */
  of(command: Command): Command;
}

const AUTHORITIES = 'NODE_EXTRA_CA_CERTS';

/**
 * With NODE_EXTRA_CA_CERTS Node reads all authorities at its start, whether they are needed or not. That is a floor up to
 * three times as high, beside which everything looks small: so where it is set, the floor without it is there too.
 */
export function floors(): readonly Floor[] {
  const without = floor(`node -e 0, no ${AUTHORITIES}`, { [AUTHORITIES]: undefined });
  return process.env[AUTHORITIES] === undefined
    ? [without]
    : [floor(`node -e 0, ${AUTHORITIES}`, {}), without];
}

function floor(name: string, env: NonNullable<Command['env']>): Floor {
  const of = (command: Command): Command => ({ ...command, env: { ...command.env, ...env } });
  return { name, node: of(nodeAlone), of };
}
