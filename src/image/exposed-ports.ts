import type { Platform } from '../oci/descriptor.js';
import { formatPlatform } from '../oci/platform.js';
import { readConfig, readManifest, type ImageShape } from './shape.js';
import type { ImageContent } from './sources/source.js';

/**
 * The TCP ports that an image says it listens on (image-spec, config.md: `ExposedPorts`).
 * @param platforms what the target runs: of several images its own is read
 * @throws DeployerError when the image can't be read; what makes no sense in it is passed over
 */
export async function readExposedPorts(
  content: ImageContent,
  shape: ImageShape,
  platforms: readonly Platform[],
): Promise<readonly number[]> {
  const wanted = new Set(platforms.map(formatPlatform));
  const runs = shape.images.find(({ platform }) => platform && wanted.has(formatPlatform(platform)));
  const image = runs ?? shape.images[0];
  if (image === undefined) return [];
  const manifest = image.manifest ?? (await readManifest(content, image));
  const bytes = manifest && (await readConfig(content, manifest));
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
