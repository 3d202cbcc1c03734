import { DeployerError } from '../lib/errors.js';
import { cleanLine } from '../lib/text.js';
import type { Platform } from './descriptor.js';

const ARCHITECTURES: Readonly<Record<string, { readonly architecture: string; readonly variant?: string }>> =
  {
    x86_64: { architecture: 'amd64' },
    'x86-64': { architecture: 'amd64' },
    aarch64: { architecture: 'arm64' },
    i386: { architecture: '386' },
    armhf: { architecture: 'arm', variant: 'v7' },
    armel: { architecture: 'arm', variant: 'v6' },
  };

/** Not written, as all of these machines can run it: it says nothing. */
const BASE_VARIANT: ReadonlyMap<string, string> = new Map([
  ['arm64', 'v8'],
  ['amd64', 'v1'],
]);
/** What `arm` alone means. */
const ARM_VARIANT = 'v7';

/** One spelling for each platform (containerd's rules): aliases folded, `arm64/v8` is `arm64`, `arm` is `arm/v7`. */
export function normalisePlatform(platform: Platform): Platform {
  const os = platform.os.toLowerCase() === 'macos' ? 'darwin' : platform.os.toLowerCase();
  const alias = ARCHITECTURES[platform.architecture.toLowerCase()];
  const architecture = alias?.architecture ?? platform.architecture.toLowerCase();
  const given = (platform.variant || alias?.variant)?.toLowerCase().replace(/^(\d)/, 'v$1');
  const written = given ?? (architecture === 'arm' ? ARM_VARIANT : undefined);
  const variant = written === BASE_VARIANT.get(architecture) ? undefined : written;
  return {
    os,
    architecture,
    ...(variant === undefined ? {} : { variant }),
    ...(platform['os.version'] === undefined ? {} : { 'os.version': platform['os.version'] }),
  };
}

/**
 * `os/arch[/variant]`, normalised.
 * @param where the flag or key at fault, for the error
 * @throws DeployerError `usage`
 */
export function parsePlatform(text: string, where: string): Platform {
  const parts = text.split('/');
  const [os, architecture, variant] = parts;
  if (
    !os ||
    !architecture ||
    parts.length > 3 ||
    !parts.every((part) => /^[A-Za-z0-9_.-]{1,40}$/.test(part))
  ) {
    throw new DeployerError('usage', `${where}: "${cleanLine(text, 60)}" is no platform`, {
      suggestions: ['write os/arch[/variant], for example linux/amd64 or linux/arm/v7'],
    });
  }
  return normalisePlatform({ os, architecture, ...(variant === undefined ? {} : { variant }) });
}

/**
 * `os/arch[/variant]`, several with commas between them or in several texts; each once, in order.
 * @throws DeployerError `usage`
 */
export function parsePlatforms(texts: readonly string[], where: string): Platform[] {
  const platforms = texts.flatMap((text) => text.split(',')).map((text) => parsePlatform(text.trim(), where));
  return platforms.filter((one, at) => platforms.findIndex((other) => samePlatform(one, other)) === at);
}

export function formatPlatform(platform: Platform): string {
  return [platform.os, platform.architecture, platform.variant]
    .filter((part) => part !== undefined)
    .join('/');
}

export function samePlatform(a: Platform, b: Platform): boolean {
  return formatPlatform(normalisePlatform(a)) === formatPlatform(normalisePlatform(b));
}

/**
 * Of what is there, the best that a machine of platform `wanted` can run: the same variant, else the next lower
 * one (an arm/v7 machine runs v6 and v5; amd64/v3 runs v2 and v1). Undefined when nothing fits.
 */
export function choosePlatform<T>(
  wanted: Platform,
  candidates: readonly T[],
  platformOf: (candidate: T) => Platform | undefined,
): T | undefined {
  let best: { candidate: T; level: number } | undefined;
  const { os, architecture } = normalisePlatform(wanted);
  const ceiling = variantLevel(wanted);
  for (const candidate of candidates) {
    const platform = platformOf(candidate);
    if (platform === undefined) continue;
    const normal = normalisePlatform(platform);
    if (normal.os !== os || normal.architecture !== architecture) continue;
    const level = variantLevel(platform);
    if (level > ceiling) continue;
    if (best === undefined || level > best.level) best = { candidate, level };
  }
  return best?.candidate;
}

function variantLevel(platform: Platform): number {
  const { architecture, variant } = normalisePlatform(platform);
  const level = /^v(\d+)/.exec(variant ?? BASE_VARIANT.get(architecture) ?? '');
  return level ? Number(level[1]) : 0;
}
