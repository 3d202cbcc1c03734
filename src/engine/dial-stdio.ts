import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { Agent } from 'node:http';
import { Duplex, Readable, Writable } from 'node:stream';
import { cleanLine } from '../lib/text.js';
import type { EngineAddress } from './address.js';

type SshAddress = EngineAddress & { readonly kind: 'ssh' };

/** Connections to an engine on another machine, each the streams of an `ssh` that runs `docker system dial-stdio` there. */
export class DialStdioAgent extends Agent {
  readonly #address: SshAddress;
  readonly #env: Readonly<Record<string, string | undefined>>;

  constructor(address: SshAddress, env: Readonly<Record<string, string | undefined>>) {
    super({ keepAlive: false });
    this.#address = address;
    this.#env = env;
  }

  override createConnection(): Duplex {
    return dialStdio(this.#address, this.#env);
  }
}

function dialStdio(address: SshAddress, env: Readonly<Record<string, string | undefined>>): Duplex {
  const child = spawn('ssh', sshArguments(address), { env, stdio: ['pipe', 'pipe', 'pipe'] });
  const connection = Duplex.from({
    readable: Readable.from(receivedBy(child), { objectMode: false }),
    writable: sentTo(child.stdin),
  });
  connection.once('close', () => child.kill());
  return connection;
}

/** What comes back; a connection that ends because ssh failed says so in ssh's words. */
async function* receivedBy(child: ChildProcessByStdio<Writable, Readable, Readable>): AsyncGenerator<Buffer> {
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-2000)));
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('close', resolve).once('error', (error: NodeJS.ErrnoException) => {
      reject(error.code === 'ENOENT' ? new Error('ssh is not installed') : error);
    });
  });
  // Awaited once there is no more to read; until then a failure is no unhandled rejection.
  ended.catch(() => undefined);
  for await (const chunk of child.stdout as AsyncIterable<Buffer>) yield chunk;
  const code = await ended;
  if (code !== 0) throw new Error(cleanLine(said) || `ssh ended with exit code ${code}`);
}

/** What an ssh that has failed does not take is no error of its own: its exit and its words are, which come later. */
function sentTo(stdin: Writable): Writable {
  stdin.on('error', () => undefined);
  return new Writable({
    write: (chunk, _encoding, done) => void stdin.write(chunk, () => done()),
    final: (done) => void stdin.end(() => done()),
  });
}

/** What follows `--` is never an option, whatever an address holds. */
function sshArguments({ user, host, port, path }: SshAddress): string[] {
  return [
    // BatchMode: a question would have nobody to answer it, since the streams are the connection's.
    ...['-T', '-o', 'ConnectTimeout=30', '-o', 'BatchMode=yes'],
    ...(user === undefined ? [] : ['-l', user]),
    ...(port === undefined ? [] : ['-p', String(port)]),
    ...['--', host, 'docker'],
    ...(path === undefined ? [] : ['--host', `unix://${path}`]),
    ...['system', 'dial-stdio'],
  ];
}
