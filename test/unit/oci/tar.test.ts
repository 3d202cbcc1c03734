import { expect } from 'chai';
import fc from 'fast-check';
import { unpackTar } from 'modern-tar';
import { paddingAfter, parsePax, parseTarHeader, tarFileHeader } from '../../../src/oci/tar.js';

describe('Tar headers', () => {
  it('are read by another library as they were meant', () => {
    const name = fc.stringMatching(/^[a-z0-9/._-]{1,100}$/).filter((text) => !/^\.*\/|\/$|\/\//.test(text));
    return fc.assert(
      fc.asyncProperty(name, fc.uint8Array({ maxLength: 2000 }), async (path, bytes) => {
        const archive = Buffer.concat([
          tarFileHeader(path, bytes.length),
          bytes,
          Buffer.alloc(paddingAfter(bytes.length) + 1024),
        ]);
        const [entry] = await unpackTar(archive, { strict: true });
        expect(entry?.header).to.include({ name: path, size: bytes.length, type: 'file' });
        expect(Buffer.from(entry?.data ?? []).equals(bytes)).to.equal(true);
      }),
    );
  });

  it('hold sizes of 8 GiB and more', () => {
    for (const size of [0, 8 ** 11 - 1, 8 ** 11, 40 * 1024 ** 3])
      expect(parseTarHeader(tarFileHeader('blobs/sha256/x', size))?.size).to.equal(size);
  });

  it('whose checksum does not fit are none', () => {
    const block = tarFileHeader('a', 1);
    block[0] = 'b'.charCodeAt(0);
    expect(parseTarHeader(block)).to.equal(undefined);
  });

  it('of pax: records are told apart by their length, whatever they hold', () => {
    const record = (text: string): string => {
      let length = text.length + 2;
      while (`${length} ${text}\n`.length !== length) length += 1;
      return `${length} ${text}\n`;
    };
    const body = record('path=a=b c\nd') + record('size=12');
    expect([...parsePax(Buffer.from(body))]).to.deep.equal([
      ['path', 'a=b c\nd'],
      ['size', '12'],
    ]);
    expect([...parsePax(Buffer.from('99999 path=x\n'))]).to.deep.equal([]);
  });
});
