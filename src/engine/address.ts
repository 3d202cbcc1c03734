import { DeployerError } from '../lib/errors.js';
import { cleanLine } from '../lib/text.js';

/** Where a Docker Engine listens. */
export type EngineAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly tls?: EngineTls }
  /** By `docker system dial-stdio` there; with a path, to the socket of that path. */
  | {
      readonly kind: 'ssh';
      readonly user?: string;
      readonly host: string;
      readonly port?: number;
      readonly path?: string;
    };

/** PEM texts. */
export interface EngineTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly verify: boolean;
}

const HOST = String.raw`\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+`;
const TCP = new RegExp(String.raw`^(?:tcp|http|https)://(${HOST})(?::(\d{1,5}))?/?$`);
const SSH = new RegExp(String.raw`^ssh://(?:([^@/:\s-][^@/:\s]*)@)?(${HOST})(?::(\d{1,5}))?(/\S*)?$`);

/**
 * `unix:///PATH`, `tcp://HOST:PORT`, `ssh://[USER@]HOST[:PORT][/PATH]`.
 * @param origin where the text stands, for the error: `DOCKER_HOST`, a file of a context
 * @throws DeployerError `usage`
 */
export function parseEngineAddress(text: string, origin: string, tls?: EngineTls): EngineAddress {
  if (text.startsWith('unix:///')) return { kind: 'unix', path: text.slice('unix://'.length) };
  const tcp = TCP.exec(text);
  if (tcp?.[1] !== undefined) {
    const host = unbracketed(tcp[1]);
    const port = Number(tcp[2] ?? (tls === undefined ? 2375 : 2376));
    if (port <= 65_535) return { kind: 'tcp', host, port, ...(tls === undefined ? {} : { tls }) };
  }
  const ssh = SSH.exec(text);
  // A host that begins with a hyphen would be an option to ssh.
  if (ssh?.[2]?.startsWith('-') === false) {
    const [, user, host, port, path = ''] = ssh;
    return {
      kind: 'ssh',
      host: unbracketed(host),
      ...(user === undefined ? {} : { user }),
      ...(port === undefined ? {} : { port: Number(port) }),
      ...(path.length > 1 ? { path } : {}),
    };
  }
  throw new DeployerError('usage', `${origin}: "${cleanLine(text, 80)}" can't be used`, {
    suggestions: ['set it to unix:///PATH, tcp://HOST:PORT or ssh://USER@HOST'],
  });
}

/** `unix:///var/run/docker.sock`, for people. */
export function formatEngineAddress(address: EngineAddress): string {
  if (address.kind === 'unix') return `unix://${address.path}`;
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  if (address.kind === 'tcp') return `tcp://${host}:${address.port}`;
  const { user, port, path = '' } = address;
  return `ssh://${user === undefined ? '' : `${user}@`}${host}${port === undefined ? '' : `:${port}`}${path}`;
}

function unbracketed(host: string): string {
  return host.replace(/^\[|\]$/g, '');
}
