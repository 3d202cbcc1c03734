import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import { EXIT_OF } from '../../../src/lib/errors.js';

describe("the documentation's table of errors", () => {
  it('names every code once, with its exit code, when it is met and what mends it', async () => {
    const text = await readFile(new URL('../../../docs/errors.md', import.meta.url), 'utf8');
    const rows = text
      .split('\n')
      .filter((line) => line.startsWith('| `'))
      .map((line) => line.split('|').map((cell) => cell.trim()));
    const named = rows.map(([, code = '', exit = '']) => [code.replaceAll('`', ''), Number(exit)]);
    expect(named).to.deep.equal(Object.entries(EXIT_OF));
    const unexplained = rows.filter(([, code, , met, mend]) => !met || (!mend && code !== '`build_failed`'));
    expect(unexplained).to.deep.equal([]);
  });
});
