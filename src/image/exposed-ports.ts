import type { Platform } from '../oci/descriptor.js';
import { formatPlatform } from '../oci/platform.js';
import type { FoundImage } from './search.js';
import type { ImageShape, ShapeReader } from './shape.js';

/**
 * The TCP ports that an image says it listens on (image-spec, config.md: `ExposedPorts`).
 * @param platforms what the target runs, preferred first: of several images its own is read
 * @throws DeployerError when the image can't be read; what makes no sense in it is passed over
 */
export async function readExposedPorts(
  reader: ShapeReader,
  { found, shape }: { readonly found: FoundImage; readonly shape: ImageShape },
  platforms: readonly Platform[],
  signal: AbortSignal,
): Promise<readonly number[]> {
  const wanted = new Set(platforms.map(formatPlatform));
  const runs = shape.images.find(({ platform }) => platform && wanted.has(formatPlatform(platform)));
  const image = runs ?? shape.images[0];
  if (image === undefined) return [];
  const { reference } = found;
  const manifest = image.manifest ?? (await reader.manifestOf(reference, image.digest, signal));
  const bytes = manifest && (await reader.config(reference, manifest, signal));
  return bytes === undefined ? [] : portsIn(JSON.parse(bytes.toString('utf8')));
}

function portsIn(document: unknown): number[] {
  const { config } = (document ?? {}) as { config?: { ExposedPorts?: unknown } | null };
  const exposed = config?.ExposedPorts;
  if (exposed === null || typeof exposed !== 'object') return [];
  // `8080/tcp`, or `8080`, which means the same.
  return Object.keys(exposed)
    .map((key) => Number(/^(\d{1,5})(?:\/tcp)?$/.exec(key)?.[1]))
    .filter((port) => Number.isInteger(port));
}
