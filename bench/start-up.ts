import { deployer } from './support/commands.js';
import { floors } from './support/floors.js';
import { measureInTurn } from './support/measure.js';
import { timeRow, type Row } from './support/table.js';

/** What the program adds to Node's own start. */
export async function startUp(rounds: number): Promise<Row[]> {
  const rows: Row[] = [];
  for (const { name, node, of } of floors()) {
    const commands = { floor: node, version: of(deployer('--version')), help: of(deployer('--help')) };
    const { floor, version, help } = await measureInTurn(commands, rounds);
    rows.push(
      timeRow('deployer --version', version.median, [name, floor.median], 1.6),
      timeRow('deployer --help', help.median, [name, floor.median], 2.1),
    );
  }
  return rows;
}
