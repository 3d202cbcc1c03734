/*
 * The headers of tar archives (POSIX.1-2001 pax, ustar, GNU's long names), one 512-byte block at a time. The tar
 * libraries read streams from front to back; an image archive is read where its layers lie.
 */

export const BLOCK = 512;

export interface TarHeader {
  readonly name: string;
  /** bytes that follow the header, rounded up to a whole block */
  readonly size: number;
  /** The flag as it is: `0` file, `1` hard link, `2` symbolic link, `5` folder, `x` pax, `g` pax for all, `L` `K` GNU. */
  readonly type: string;
  readonly linkname: string;
}

/** The two last blocks of an archive are empty. */
export function isEndBlock(block: Uint8Array): boolean {
  return block.every((byte) => byte === 0);
}

/** Undefined for what is no header: its checksum does not fit. */
export function parseTarHeader(block: Buffer): TarHeader | undefined {
  if (block.length < BLOCK || readNumber(block, 148, 8) !== checksumOf(block)) return undefined;
  const isUstar = block.toString('latin1', 257, 262) === 'ustar';
  // GNU's old magic ends in a blank, and has other fields where ustar has its prefix.
  const hasPrefix = isUstar && block[262] === 0;
  const prefix = hasPrefix ? readText(block, 345, 155) : '';
  const name = readText(block, 0, 100);
  const flag = block[156] as number;
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    size: readNumber(block, 124, 12),
    type: flag === 0 ? '0' : String.fromCharCode(flag),
    linkname: readText(block, 157, 100),
  };
}

/** The records of a pax header's body: `LENGTH KEY=VALUE\n`. */
export function parsePax(body: Buffer): Map<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < body.length;) {
    const blank = body.indexOf(0x20, at);
    const length = Number(body.toString('latin1', at, blank === -1 ? at : blank));
    if (!Number.isSafeInteger(length) || length < 5 || at + length > body.length) break;
    const record = body.toString('utf8', blank + 1, at + length - 1);
    const equals = record.indexOf('=');
    records.set(record.slice(0, equals), record.slice(equals + 1));
    at += length;
  }
  return records;
}

/** A GNU long name's body, or a field: text up to the first NUL. */
export function textOf(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end === -1 ? bytes.length : end);
}

/** The header of a file in ustar; nothing in it tells when or by whom it was made. */
export function tarFileHeader(name: string, size: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  if (Buffer.byteLength(name) > 100) throw new RangeError(`a name too long for a tar header: ${name}`);
  block.write(name, 0);
  block.write('0000644\0', 100);
  block.write('0000000\0', 108);
  block.write('0000000\0', 116);
  writeSize(block, size);
  block.write('00000000000\0', 136);
  block.write('0', 156);
  block.write('ustar\x0000', 257);
  block.write(`${checksumOf(block).toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

/** The zeros between a file's last byte and the next header. */
export function paddingAfter(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

/** The sum of all bytes, its own field counted as blanks. */
function checksumOf(block: Uint8Array): number {
  let sum = 8 * 0x20;
  for (let at = 0; at < BLOCK; at += 1) if (at < 148 || at >= 156) sum += block[at] as number;
  return sum;
}

/** Octal digits, or GNU's base 256 for 8 GiB and more. */
function readNumber(block: Buffer, at: number, length: number): number {
  if (((block[at] as number) & 0x80) !== 0) {
    const value = block.readBigUInt64BE(at + length - 8);
    return value > BigInt(Number.MAX_SAFE_INTEGER) ? NaN : Number(value);
  }
  const digits = textOf(block.subarray(at, at + length)).trim();
  return /^[0-7]*$/.test(digits) ? parseInt(digits || '0', 8) : NaN;
}

function writeSize(block: Buffer, size: number): void {
  if (size < 8 ** 11) block.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  else {
    block[124] = 0x80;
    block.writeBigUInt64BE(BigInt(size), 128);
  }
}

function readText(block: Buffer, at: number, length: number): string {
  return textOf(block.subarray(at, at + length));
}
