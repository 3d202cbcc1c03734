import { spawnSync } from 'node:child_process';
import { expect } from 'chai';
import fc from 'fast-check';
import { unpackTar } from 'modern-tar';
import { paddingAfter, parsePax, parseTarHeader, tarFileHeader, tarHeader } from '../../../src/oci/tar.js';

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

  it('hold any name, link, mode and time, read back by another library and by GNU tar', async () => {
    const entries = [
      { name: `${'deep/'.repeat(60)}ü.txt`, type: '0', size: 0, mode: 0o4755, modified: 1_700_000_000 },
      // Its pax record is of 98 bytes, and the two digits of its length make it 100, which are three.
      { name: 'n'.repeat(89) + 'ö', type: '0', size: 0, mode: 0o600, modified: -1 },
      { name: 'sticky/', type: '5', size: 0, mode: 0o1777, modified: 8 ** 11 },
      { name: 'link', type: '2', size: 0, mode: 0o777, modified: 1, linkname: `../${'x'.repeat(200)}/ß` },
      { name: 'hard', type: '1', size: 0, mode: 0o644, modified: 1, linkname: 'ü' },
    ] as const;
    const archive = Buffer.concat([...entries.map(tarHeader), Buffer.alloc(1024)]);
    const read = await unpackTar(archive, { strict: true });
    expect(
      read.map(({ header: { name, mode = 0, mtime, linkname } }) => [
        name,
        mode,
        Number(mtime) / 1000,
        linkname,
      ]),
    ).to.deep.equal(
      entries.map((entry) => [
        ...[entry.name, entry.mode, entry.modified],
        'linkname' in entry ? entry.linkname : '',
      ]),
    );
    const listed = spawnSync('tar', ['-tv', '--quoting-style=literal'], { input: archive, encoding: 'utf8' });
    expect([listed.status, listed.stderr.replace(/.*time stamp.*\n/g, '')]).to.deep.equal([0, '']);
    expect(listed.stdout).to.contain(entries[0].name).and.contain(`link to ü`);
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
