import { cleanLine } from '../lib/text.js';
import type { Engine } from './engine.js';

/** What an engine can do, as it says itself. */
export interface EngineCapabilities {
  readonly product: 'docker' | 'podman';
  /** `20.10.24` */
  readonly version: string;
  /** `1.41` */
  readonly apiVersion: string;
  /** `POST /session` and `/build?version=2` */
  readonly buildKit: boolean;
  /** The builder that it wants its clients to use: 1 is the classic one, where `features.buildkit` is turned off. */
  readonly builderVersion?: string;
  /** The containerd store keeps indexes and attestations; a graphdriver one manifest, in Docker's media types. */
  readonly store: 'graphdriver' | 'containerd';
  /** `linux/amd64`: what it builds for unless told, and runs. */
  readonly platform: string;
}

/** BuildKit came with API 1.39 (Docker 18.09). */
const BUILDKIT_API = [1, 39] as const;

/** Asks /version, /info and /_ping. */
export async function probeEngine(engine: Engine, signal: AbortSignal): Promise<EngineCapabilities> {
  const [version, info, builderVersion] = await Promise.all([
    engine.json({ path: '/version', signal }) as Promise<VersionAnswer>,
    engine.json({ path: '/info', signal }) as Promise<InfoAnswer>,
    askBuilderVersion(engine, signal),
  ]);
  const product =
    version.Components?.some(({ Name }) => /podman/i.test(Name ?? '')) === true ? 'podman' : 'docker';
  const apiVersion = cleanLine(version.ApiVersion ?? '', 20);
  const isContainerd = info.DriverStatus?.some(
    ([key, value]) => key === 'driver-type' && value === 'io.containerd.snapshotter.v1',
  );
  return {
    product,
    version: cleanLine(version.Version ?? '', 60),
    apiVersion,
    buildKit: product === 'docker' && isAtLeast(apiVersion, BUILDKIT_API),
    ...(builderVersion === undefined ? {} : { builderVersion }),
    store: isContainerd === true ? 'containerd' : 'graphdriver',
    platform: cleanLine(`${version.Os ?? 'linux'}/${version.Arch ?? ''}`, 60),
  };
}

/** Only its ping says it. */
async function askBuilderVersion(engine: Engine, signal: AbortSignal): Promise<string | undefined> {
  const answer = await engine.stream({ path: '/_ping', signal });
  answer.resume();
  const said = answer.headers['builder-version'];
  return typeof said === 'string' && said !== '' ? cleanLine(said, 20) : undefined;
}

/** Whether `1.41` is `[1, 39]` or later. */
export function isAtLeast(apiVersion: string, [major, minor]: readonly [number, number]): boolean {
  const [ownMajor = 0, ownMinor = 0] = apiVersion.split('.').map(Number);
  return ownMajor > major || (ownMajor === major && ownMinor >= minor);
}

interface VersionAnswer {
  readonly Version?: string;
  readonly ApiVersion?: string;
  readonly Os?: string;
  readonly Arch?: string;
  readonly Components?: readonly { readonly Name?: string }[] | null;
}

interface InfoAnswer {
  readonly DriverStatus?: readonly (readonly [string, string])[] | null;
}
