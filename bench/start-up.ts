import { deployer, nodeAlone } from './support/commands.js';
import { measureInTurn } from './support/measure.js';
import { timeRow, type Row } from './support/table.js';

/** What the program adds to Node's own start. */
export async function startUp(rounds: number): Promise<Row[]> {
  const { node, version, help } = await measureInTurn(
    { node: nodeAlone, version: deployer('--version'), help: deployer('--help') },
    rounds,
  );
  const floor: [string, number] = ['node -e 0', node.median];
  return [
    timeRow('deployer --version', version.median, floor, 1.6),
    timeRow('deployer --help', help.median, floor, 2.1),
  ];
}
