import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Puts `docker-credential-NAME` scripts into a folder `bin` below `folder`.
 * @param scripts name -> the body of a /bin/sh script; what it reads from stdin is in `$server`, after `get`
 * @returns a PATH with that folder first
 */
export async function writeHelpers(
  folder: string,
  scripts: Readonly<Record<string, string>>,
): Promise<string> {
  const bin = join(folder, 'bin');
  await mkdir(bin, { recursive: true });
  for (const [name, body] of Object.entries(scripts)) {
    const file = join(bin, `docker-credential-${name}`);
    await writeFile(file, `#!/bin/sh\n[ "$1" = get ] || exit 9\nread -r server\n${body}\n`);
    await chmod(file, 0o755);
  }
  return `${bin}:/usr/bin:/bin`;
}
