import { spawn } from 'node:child_process';
import type { Credential } from './credential.js';
import { serverAddressOf } from './credential.js';

export type HelperAnswer =
  | { readonly status: 'found'; readonly credential: Credential }
  | { readonly status: 'none' }
  /** Missing, hanging, or printing what is no answer: a warning, since a public pull needs none of it. */
  | { readonly status: 'failed'; readonly reason: string };

const OUTPUT_LIMIT = 64 * 1024;

/**
 * Asks `docker-credential-NAME get` (docker-credential-helpers protocol): the server's address on stdin, JSON back.
 * @param timeoutMs a helper that waits for a person who is not there is ended after this
 */
export async function askHelper(
  name: string,
  host: string,
  env: Readonly<Record<string, string | undefined>>,
  timeoutMs: number,
): Promise<HelperAnswer> {
  const program = `docker-credential-${name}`;
  if (!/^[A-Za-z0-9._-]{1,64}$/.test(name))
    return { status: 'failed', reason: "the helper's name is no file name" };
  const run = await runHelper(program, serverAddressOf(host), env, timeoutMs);
  if (typeof run === 'string') return { status: 'failed', reason: run };
  if (/credentials not found in native keychain/i.test(run.output)) return { status: 'none' };
  // What a failed helper prints may be a secret in the wrong place: it is not passed on.
  if (run.code !== 0) return { status: 'failed', reason: `${program} ended with exit code ${run.code}` };
  return readAnswer(program, run.output);
}

function readAnswer(program: string, output: string): HelperAnswer {
  let value: unknown;
  try {
    value = JSON.parse(output);
  } catch {
    return { status: 'failed', reason: `${program} printed something that is not JSON` };
  }
  const { Username: username, Secret: secret } = (value ?? {}) as Record<string, unknown>;
  if (typeof username !== 'string' || typeof secret !== 'string') {
    return { status: 'failed', reason: `${program} printed no Username and Secret` };
  }
  if (secret === '') return { status: 'none' };
  const credential: Credential =
    username === '<token>'
      ? { kind: 'identity-token', token: secret, source: program }
      : { kind: 'password', username, password: secret, source: program };
  return { status: 'found', credential };
}

interface HelperRun {
  readonly code: number | null;
  readonly output: string;
}

function runHelper(
  program: string,
  input: string,
  env: Readonly<Record<string, string | undefined>>,
  timeoutMs: number,
): Promise<HelperRun | string> {
  return new Promise((resolve) => {
    const child = spawn(program, ['get'], { env, stdio: ['pipe', 'pipe', 'ignore'] });
    let output = '';
    const timer = setTimeout(
      () => finish(`${program} did not answer within ${timeoutMs / 1000} s`),
      timeoutMs,
    );
    const finish = (result: HelperRun | string): void => {
      clearTimeout(timer);
      if (typeof result === 'string') child.kill('SIGKILL');
      child.stdout.destroy();
      resolve(result);
    };
    child.on('error', (error: NodeJS.ErrnoException) =>
      finish(
        error.code === 'ENOENT' ? `${program} is not installed` : `${program} can't be run (${error.code})`,
      ),
    );
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
      if (output.length > OUTPUT_LIMIT) finish(`${program} printed more than ${OUTPUT_LIMIT} bytes`);
    });
    child.on('close', (code) => finish({ code, output }));
    // A helper that ends without reading its input is judged by its exit code.
    child.stdin.on('error', () => undefined).end(`${input}\n`);
  });
}
