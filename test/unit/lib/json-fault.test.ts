import { expect } from 'chai';
import fc from 'fast-check';
import { lineOfJsonFault } from '../../../src/lib/json-fault.js';

describe('The line on which a text stops being JSON', () => {
  const FAULTS: Readonly<Record<string, number>> = {
    '': 1,
    '\n\n': 3,
    '{\n"a": x\n}': 2,
    '{\n"a": 1\n"b": 2\n}': 3,
    '{\n"a": 1,\n}': 3,
    '[1,\n2,\n]': 3,
    '{\n"a" 1}': 2,
    '{\n1: 2}': 2,
    '{"a":\n}': 2,
    '[1\n}': 2,
    '{"a": 1\n]': 2,
    '{}\n{}': 2,
    '[\n"a\nb"]': 2,
    '"\\x"': 1,
    '[1,\n01]': 2,
    '[1,\n.5]': 2,
    '[true,\nTrue]': 2,
    '{\n// comment\n}': 2,
    '[1,\n2': 2,
    '\ufeff{}': 1,
  };
  for (const [text, line] of Object.entries(FAULTS)) {
    it(`of ${JSON.stringify(text)} is ${line}`, () => {
      expect(() => JSON.parse(text) as unknown).to.throw(SyntaxError);
      expect(lineOfJsonFault(text)).to.equal(line);
    });
  }

  it('is where something that is no JSON was put into what was', () => {
    const lined = fc.jsonValue({ maxDepth: 4 }).map((value) => JSON.stringify([value, value], null, 1));
    fc.assert(
      fc.property(lined, fc.nat(), (text, where) => {
        const lines = text.split('\n');
        const at = where % lines.length;
        // No token of JSON, whatever stands before it: even a string ends before the end of its line.
        lines[at] = `#${lines[at]}`;
        expect(lineOfJsonFault(lines.join('\n'))).to.equal(at + 1);
      }),
    );
  });
});
