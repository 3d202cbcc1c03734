import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { DeployerError } from '../lib/errors.js';
import { shownInput } from '../lib/redact.js';

/**
 * The error, and of a failure to find an image also what one of the names may have been meant for. Only the file system
 * is asked, and only now: no name means something else because of what lies here.
 * @param images as they were written on the command line
 */
export async function withMeantImage(
  error: DeployerError,
  images: readonly string[],
  cwd: string,
): Promise<DeployerError> {
  if (error.code !== 'reference_invalid' && ![3, 4, 12].includes(error.exit)) return error;
  const meant = (await Promise.all(images.map((text) => meantImage(text, cwd)))).filter(
    (one) => one !== undefined,
  );
  if (meant.length === 0) return error;
  const { code, message, evidence, suggestions, details, cause } = error;
  return new DeployerError(code, message, {
    ...{ evidence, details, cause },
    suggestions: [...meant, ...suggestions],
  });
}

async function meantImage(text: string, cwd: string): Promise<string | undefined> {
  const shown = shownInput(text, 200);
  if (REGISTRY_ALONE.test(text))
    return `${shown} is a registry alone, without a repository: ${shown}/NAME:TAG`;
  // The whole text, or what stands before a tag or name.
  for (const path of new Set([text, text.replace(/:.*$/s, '')])) {
    const scheme = path === '' ? undefined : await schemeFor(resolve(cwd, path));
    if (scheme !== undefined) return `for the ${SCHEMES[scheme]} that lies here: ${scheme}:${shown}`;
  }
  return undefined;
}

/** In a reference this is a name of Docker Hub with a tag. */
const REGISTRY_ALONE = /^(?:localhost|\d{1,3}(?:\.\d{1,3}){3}|\[[\da-f:]+\]):\d{2,5}$/i;

/** What makes a folder an OCI layout (image-spec, image-layout.md). */
const LAYOUT_FILE = 'oci-layout';

const SCHEMES = { oci: 'OCI layout', 'docker-archive': 'archive' } as const;

async function schemeFor(path: string): Promise<keyof typeof SCHEMES | undefined> {
  try {
    const there = await stat(path);
    if (there.isDirectory()) return (await stat(join(path, LAYOUT_FILE))).isFile() ? 'oci' : undefined;
    return there.isFile() && /\.(?:tar|tar\.gz|tgz)$/i.test(path) ? 'docker-archive' : undefined;
  } catch {
    // Nothing that could be meant.
    return undefined;
  }
}
