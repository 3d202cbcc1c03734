import { readBounded, TooLarge } from '../config/bounded-file.js';
import type { BuildSecret } from '../config/build-settings.js';
import { DeployerError, messageOf } from '../lib/errors.js';

/** BuildKit's own limit of a secret, in bytes. */
const LARGEST_SECRET = 500 * 1024;

export interface SecretPorts {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Told a secret's value before the build gets it. */
  readonly keepSecret: (value: string) => void;
}

/**
 * The secrets of a build, by id. Their values are kept out of what is printed, as a whole and line by line.
 * @throws DeployerError `usage`, naming the file that can't be read
 */
export async function readSecrets(
  secrets: readonly BuildSecret[],
  { env, keepSecret }: SecretPorts,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const values = new Map<string, Uint8Array>();
  for (const secret of secrets) {
    const value = 'file' in secret ? await readSecretFile(secret) : Buffer.from(env[secret.variable] ?? '');
    const text = value.toString('utf8');
    for (const part of [text, ...text.split('\n')]) keepSecret(part);
    values.set(secret.id, value);
  }
  return values;
}

async function readSecretFile({ id, file }: BuildSecret & { readonly file: string }): Promise<Buffer> {
  try {
    return await readBounded(file, LARGEST_SECRET);
  } catch (error) {
    const code =
      error instanceof TooLarge ? error.message : ((error as NodeJS.ErrnoException).code ?? messageOf(error));
    throw new DeployerError('usage', `--build-secret: ${id}: ${file} can't be read (${code})`, {
      cause: error,
    });
  }
}
