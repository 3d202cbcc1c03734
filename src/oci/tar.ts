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

/** An entry as it is written. What belongs to no user or group in particular is root's. */
export interface TarEntry {
  /** of a folder with a slash at its end */
  readonly name: string;
  /** `0` file, `1` hard link, `2` symbolic link, `3` character device, `4` block device, `5` folder, `6` fifo */
  readonly type: '0' | '1' | '2' | '3' | '4' | '5' | '6';
  /** bytes that follow; 0 for all but files */
  readonly size: number;
  /** permissions, with setuid, setgid and sticky */
  readonly mode: number;
  /** seconds since the epoch, whole */
  readonly modified: number;
  readonly linkname?: string;
  readonly device?: { readonly major: number; readonly minor: number };
}

/** What 11 octal digits can't hold: 8 GiB, and the year 2242. */
const ELEVEN_DIGITS = 8 ** 11;

/**
 * The header of an entry: one block, and before it those of pax that a name takes which is long or not ASCII, or a
 * time before 1970.
 */
export function tarHeader(entry: TarEntry): Buffer {
  const records = paxRecords(entry);
  if (records === '') return headerBlock(entry);
  const size = Buffer.byteLength(records);
  const pax = headerBlock({ name: 'PaxHeader', type: 'x', size, mode: 0o644, modified: 0 });
  const body = Buffer.alloc(size + paddingAfter(size));
  body.write(records);
  return Buffer.concat([pax, body, headerBlock(entry)]);
}

/** What `tarHeader` may take for names as long as Linux allows (PATH_MAX), in bytes. */
export const LARGEST_HEADER = 16 * 1024;

/**
 * Writes what `tarHeader` gives into a buffer, which has room for it.
 * @returns how many bytes that were
 */
export function writeTarHeader(target: Buffer, at: number, entry: TarEntry): number {
  if (paxRecords(entry) !== '') return tarHeader(entry).copy(target, at);
  writeBlock(target, at, entry);
  return BLOCK;
}

/** The header of a file; nothing in it tells when or by whom it was made. */
export function tarFileHeader(name: string, size: number): Buffer {
  return tarHeader({ name, type: '0', size, mode: 0o644, modified: 0 });
}

function paxRecords({ name, linkname = '', modified }: TarEntry): string {
  let records = '';
  if (!fitsField(name)) records += paxRecord('path', name);
  if (!fitsField(linkname)) records += paxRecord('linkpath', linkname);
  if (modified < 0 || modified >= ELEVEN_DIGITS) records += paxRecord('mtime', String(modified));
  return records;
}

function fitsField(text: string): boolean {
  return SHORT_ASCII.test(text);
}

const SHORT_ASCII = /^[\0-\x7f]{0,100}$/;

/** `LENGTH KEY=VALUE\n`, where the length counts its own digits. */
function paxRecord(key: string, value: string): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + String(rest).length;
  if (rest + String(length).length !== length) length += 1;
  return `${length} ${key}=${value}\n`;
}

type AnyEntry = Omit<TarEntry, 'type'> & { readonly type: TarEntry['type'] | 'x' };

function headerBlock(entry: AnyEntry): Buffer {
  const block = Buffer.alloc(BLOCK);
  writeBlock(block, 0, entry);
  return block;
}

/** Root's user and group, and the format. The checksum's own field counts as blanks. */
const COMMON = Buffer.alloc(BLOCK);
writeOctal(COMMON, 108, 7, 0);
writeOctal(COMMON, 116, 7, 0);
COMMON.fill(0x20, 148, 156);
COMMON.write('ustar\x0000', 257);
/** What the checksum's own field and the format give to the sum: more than half of a block is the same in all. */
const COMMON_SUM = sumOf(COMMON, 148, BLOCK);

function writeBlock(target: Buffer, at: number, entry: AnyEntry): void {
  const { name, type, size, mode, modified, linkname, device } = entry;
  target.set(COMMON, at);
  // What does not fit stands in pax, too, which goes before.
  writeText(target, at, name);
  writeOctal(target, at + 100, 7, mode);
  writeSize(target, at + 124, size);
  writeOctal(target, at + 136, 11, modified >= 0 && modified < ELEVEN_DIGITS ? modified : 0);
  target[at + 156] = type.charCodeAt(0);
  let sum = COMMON_SUM + sumOf(target, at, at + 148) + type.charCodeAt(0);
  if (linkname !== undefined) {
    writeText(target, at + 157, linkname);
    sum += sumOf(target, at + 157, at + 257);
  }
  if (device !== undefined) {
    writeOctal(target, at + 329, 7, device.major);
    writeOctal(target, at + 337, 7, device.minor);
    sum += sumOf(target, at + 329, at + 345);
  }
  writeOctal(target, at + 148, 6, sum);
  target[at + 154] = 0;
}

/** The zeros between a file's last byte and the next header. */
export function paddingAfter(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

/** The sum of all bytes, its own field counted as blanks. */
function checksumOf(block: Uint8Array): number {
  let sum = sumOf(block, 0, BLOCK) + 8 * 0x20;
  for (let at = 148; at < 156; at += 1) sum -= block[at] as number;
  return sum;
}

function sumOf(bytes: Uint8Array, from: number, to: number): number {
  let sum = 0;
  for (let at = from; at < to; at += 1) sum += bytes[at] as number;
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

/** Octal digits, or GNU's base 256 for 8 GiB and more: all that reads tar knows it, and it stays one block. */
function writeSize(block: Buffer, at: number, size: number): void {
  if (size < ELEVEN_DIGITS) writeOctal(block, at, 11, size);
  else {
    block[at] = 0x80;
    block.writeBigUInt64BE(BigInt(size), at + 4);
  }
}

/** The field's last byte stays the NUL that ends it. */
function writeOctal(block: Uint8Array, at: number, digits: number, value: number): void {
  // In 32 bits at a time: to divide numbers with a fraction takes ten times as long.
  let rest = value % 2 ** 30;
  let above = Math.floor(value / 2 ** 30);
  let lowest = at + Math.max(digits - 10, 0);
  for (let place = at + digits - 1; place >= at; place -= 1) {
    if (place < lowest) [rest, above, lowest] = [above, 0, at];
    block[place] = 0x30 | (rest & 7);
    rest >>>= 3;
  }
}

/** Up to 100 bytes. A call of `write` takes longer than most names have letters. */
function writeText(block: Buffer, at: number, text: string): void {
  if (!fitsField(text)) block.write(text, at, 100);
  else for (let place = 0; place < text.length; place += 1) block[at + place] = text.charCodeAt(place);
}

function readText(block: Buffer, at: number, length: number): string {
  return textOf(block.subarray(at, at + length));
}
