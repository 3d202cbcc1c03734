import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const COMMANDS = join(ROOT, 'src/commands');

describe('what a suggestion tells to run', () => {
  it('is a command that there is, wherever the program or its documentation names one', async () => {
    const commands = (await filesUnder(COMMANDS)).map((file) =>
      relative(COMMANDS, file).replace(/\.ts$/, '').replaceAll('/', ' '),
    );
    const texts = [
      ...(await filesUnder(join(ROOT, 'src'))),
      ...(await filesUnder(join(ROOT, 'docs'))),
      join(ROOT, 'README.md'),
    ];
    const unknown: string[] = [];
    let named = 0;
    for (const file of texts) {
      const lines = (await readFile(file, 'utf8'))
        .split('\n')
        .filter((line) => !/^\s*(\/\/|\/?\*)/.test(line));
      for (const [whole, words = ''] of lines
        .join('\n')
        .matchAll(/\bdeployer (?:help )?([a-z]+(?: [a-z]+)?)/g)) {
        named += 1;
        // `deployer help` is no command file: cli/main.ts takes it for `--help`.
        const isCommand =
          words === 'help' || commands.some((command) => `${words} `.startsWith(`${command} `));
        if (!isCommand) unknown.push(`${relative(ROOT, file)}: ${whole}`);
      }
    }
    expect(named).to.be.above(20);
    expect(unknown).to.deep.equal([]);
  });
});

async function filesUnder(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}
