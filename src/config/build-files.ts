import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { DeployerError } from '../lib/errors.js';
import type { BuildCall } from './build-settings.js';

const LARGEST_DOCKERFILE = 1024 * 1024;

/** @throws DeployerError `usage`, suggesting the command that was called */
export async function contextAt(path: string, call: BuildCall): Promise<string> {
  const found = await lookAt(path, 'CONTEXT');
  if (found?.isDirectory() === true) return path;
  throw new DeployerError('usage', `CONTEXT: ${path} is ${found === undefined ? 'not there' : 'no folder'}`, {
    suggestions: [call.replace(' . ', ' DIR ')],
  });
}

/**
 * @param path `-` for stdin
 * @param from where the configuration names it: `fly.toml:6: build.dockerfile`
 * @throws DeployerError `usage`; `config_invalid` for one that the configuration names
 */
export async function dockerfileAt(
  path: string,
  stdin: AsyncIterable<Uint8Array>,
  from?: string,
): Promise<{ readonly folder: string; readonly name: string } | { readonly text: string }> {
  if (path === '-') return { text: await readDockerfile(stdin) };
  const found = await lookAt(path, from ?? '--dockerfile');
  if (found?.isFile() === true) return { folder: dirname(path), name: basename(path) };
  if (from !== undefined) {
    const what = found === undefined ? 'not there' : 'no file';
    throw new DeployerError('config_invalid', `${from}: ${path} is ${what}`, {
      suggestions: [
        'mend it there: it is seen from the folder of that file',
        'or name another: --dockerfile FILE',
      ],
    });
  }
  throw new DeployerError(
    'usage',
    // With its folder: who stands in another one than he thinks sees it.
    `the Dockerfile ${resolve(path)} is ${found === undefined ? 'not there' : 'no file'}`,
    {
      suggestions: ['name it: --dockerfile FILE', 'or read it from stdin: --dockerfile -'],
    },
  );
}

/** @throws DeployerError `usage` for what is no socket: a key belongs into an agent */
export async function requireSocket(path: string, flag: string): Promise<void> {
  const found = await lookAt(path, flag);
  if (found?.isSocket() === true) return;
  const what = found === undefined ? 'not there' : 'no socket of an ssh agent';
  throw new DeployerError('usage', `${flag}: ${path} is ${what}`, {
    suggestions: ['a key goes into an agent first: ssh-add KEY, then --ssh default'],
  });
}

/** @returns undefined when nothing is there; what can't be looked at may well be */
async function lookAt(path: string, name: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new DeployerError('usage', `${name}: ${path} can't be read (${code})`, { cause: error });
  }
}

/** Without a limit of time: a person may be typing it. */
async function readDockerfile(stdin: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stdin) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > LARGEST_DOCKERFILE)
      throw new DeployerError('usage', '--dockerfile -: stdin holds more than 1 MiB: that is no Dockerfile');
  }
  return Buffer.concat(chunks).toString('utf8');
}
