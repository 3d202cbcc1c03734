import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';

export interface ListenSocket {
  readonly proto: 'tcp' | 'tcp6';
  /** `127.0.0.1:3000`, `[::]:8080` */
  readonly address: string;
}

/** proc(5), /proc/net/tcp: the state of a socket that listens. */
const LISTEN = '0A';

/**
 * What a process of this machine listens on, in whatever network namespace it is.
 * @returns nothing where there is no such process here: on another system, or with an engine elsewhere
 */
export async function listenSocketsOf(pid: number): Promise<readonly ListenSocket[]> {
  const folder = join('/proc', String(pid));
  try {
    const own = await socketInodes(join(folder, 'fd'));
    const tables = (['tcp', 'tcp6'] as const).map(async (proto) =>
      readTable(await readFile(join(folder, 'net', proto), 'utf8'), proto, own),
    );
    return (await Promise.all(tables)).flat();
  } catch {
    // Gone meanwhile, hidden from this user, or no Linux: it only adds to what the API tells.
    return [];
  }
}

async function socketInodes(folder: string): Promise<ReadonlySet<string>> {
  const names = await readdir(folder);
  // A descriptor may be closed between the two.
  const targets = await Promise.all(names.map((name) => readlink(join(folder, name)).catch(() => '')));
  return new Set(targets.flatMap((target) => /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? []));
}

function readTable(text: string, proto: ListenSocket['proto'], own: ReadonlySet<string>): ListenSocket[] {
  return text
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , state, , , , , , inode]) => state === LISTEN && inode !== undefined && own.has(inode))
    .map(([, local = '']) => ({ proto, address: readAddress(local) }));
}

/** `0100007F:1F90` is 127.0.0.1:8080: words of four bytes in this machine's (little-endian) order. */
function readAddress(local: string): string {
  const [host = '', port = ''] = local.split(':');
  const words = host.match(/.{8}/g) ?? [];
  const bytes = words.flatMap((word) => [...Buffer.from(word, 'hex').reverse()]);
  const at = parseInt(port, 16);
  if (bytes.length === 4) return `${bytes.join('.')}:${at}`;
  const groups = bytes.flatMap((byte, n) =>
    n % 2 === 0 ? [((byte << 8) | (bytes[n + 1] ?? 0)).toString(16)] : [],
  );
  // WHATWG URLs shorten an address as RFC 5952 has it.
  return `${new URL(`http://[${groups.join(':')}]`).hostname}:${at}`;
}
