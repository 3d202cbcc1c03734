import { expect } from 'chai';
import fc from 'fast-check';
import { applyEdits, elementsOf, keepElements, membersOf, rootOf } from '../../../src/oci/json-text.js';

/** JSON as different programs print it: compact, indented, with a line feed at the end. */
const printed = fc
  .tuple(
    fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1 }),
    fc.constantFrom(undefined, 2, 3, '\t'),
    fc.constantFrom('', '\n'),
  )
  .map(([value, indent, end]) => ({ value, text: JSON.stringify(value, null, indent) + end }));

describe('Values inside a JSON text', () => {
  it('are found where JSON.parse finds them', () => {
    fc.assert(
      fc.property(printed, ({ value, text }) => {
        const members = membersOf(text, rootOf(text));
        expect([...members.keys()].sort()).to.deep.equal(Object.keys(value).sort());
        for (const [key, { start, end }] of members)
          expect(JSON.parse(text.slice(start, end))).to.deep.equal(JSON.parse(JSON.stringify(value[key])));
      }),
    );
  });

  it('are found in arrays, by their order', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), fc.constantFrom(undefined, 2), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        const elements = elementsOf(text, rootOf(text)).map(({ start, end }): unknown =>
          JSON.parse(text.slice(start, end)),
        );
        expect(elements).to.deep.equal(JSON.parse(text));
      }),
    );
  });

  it('change alone: every byte around them stays', () => {
    fc.assert(
      fc.property(printed, fc.jsonValue(), ({ value, text }, other) => {
        const [key] = Object.keys(value) as [string];
        const span = membersOf(text, rootOf(text)).get(key) as { start: number; end: number };
        const changed = applyEdits(text, [{ ...span, text: JSON.stringify(other) }]);
        expect(changed.startsWith(text.slice(0, span.start))).to.equal(true);
        expect(changed.endsWith(text.slice(span.end))).to.equal(true);
        expect(JSON.parse(changed)).to.deep.equal(JSON.parse(JSON.stringify({ ...value, [key]: other })));
      }),
    );
  });

  it('leave an array without the blanks of their neighbours changing', () => {
    const text = '{\n  "manifests": [\n    {"a":1},\n    {"b":2},\n    {"c":3}\n  ]\n}';
    const span = membersOf(text, rootOf(text)).get('manifests') as { start: number; end: number };
    const keep = (indexes: number[]): string =>
      applyEdits(text, [keepElements(text, span, (index) => indexes.includes(index))]);
    expect(keep([0, 2])).to.equal('{\n  "manifests": [\n    {"a":1},\n    {"c":3}\n  ]\n}');
    expect(keep([1])).to.equal('{\n  "manifests": [\n    {"b":2}\n  ]\n}');
    expect(keep([0, 1, 2])).to.equal(text);
  });

  it('of a repeated key are the last one', () => {
    const text = '{"a":1,"a":2}';
    const span = membersOf(text, rootOf(text)).get('a');
    expect(text.slice(span?.start, span?.end)).to.equal('2');
  });

  it('are found however deep their neighbours are nested', () => {
    const deep = '['.repeat(200_000) + ']'.repeat(200_000);
    const text = `{"deep":${deep},"mediaType":"x"}`;
    const span = membersOf(text, rootOf(text)).get('mediaType');
    expect(text.slice(span?.start, span?.end)).to.equal('"x"');
  });
});
