import { DeployerError, type ErrorOptions } from '../../lib/errors.js';
import { cleanLine } from '../../lib/text.js';
import { isAtLeast, type EngineCapabilities } from '../capabilities.js';
import { instructionsOf } from './dockerfile-lines.js';
import {
  ATTESTING_API,
  gettingTheStore,
  TAKES_CONTAINERD,
  WITHOUT_DIRECT_PUSH,
  withoutProvenance,
  type Provenance,
  type Push,
} from './output.js';
import type { BuildSettings } from './query.js';

/** What an engine builds with. */
export type Builder = { readonly kind: 'buildkit' } | ClassicBuilder;

/** Docker's own of before BuildKit, and Podman's: the context goes to it as a tar. */
export interface ClassicBuilder {
  readonly kind: 'classic';
  /** `Docker 20.10.24 without BuildKit (DOCKER_BUILDKIT=0)` */
  readonly name: string;
  readonly engine: EngineCapabilities;
  /** How to build with BuildKit instead. */
  readonly mend: string;
}

/**
 * As docker chooses: DOCKER_BUILDKIT, else what the engine asks for, else BuildKit where it is.
 * @throws DeployerError `usage` for a DOCKER_BUILDKIT that is no truth value
 */
export function chooseBuilder(engine: EngineCapabilities, dockerBuildKit: string | undefined): Builder {
  const wanted = parseTruth(dockerBuildKit);
  if (!engine.buildKit) {
    const mend = 'point DOCKER_HOST at a Docker Engine of 18.09 or later';
    const name = engine.product === 'podman' ? 'Podman' : 'Docker';
    return { kind: 'classic', name: `${name} ${engine.version}, which has no BuildKit,`, engine, mend };
  }
  const docker = `Docker ${engine.version} without BuildKit`;
  if (wanted === false) {
    const mend = 'build with BuildKit: unset DOCKER_BUILDKIT';
    return { kind: 'classic', name: `${docker} (DOCKER_BUILDKIT=0)`, engine, mend };
  }
  if (wanted === undefined && engine.builderVersion === '1') {
    const mend = 'build with BuildKit: DOCKER_BUILDKIT=1';
    return { kind: 'classic', name: `${docker} ("buildkit": false in its daemon.json)`, engine, mend };
  }
  return { kind: 'buildkit' };
}

const TRUTH: Readonly<Record<string, boolean>> = {
  ...Object.fromEntries(['1', 't', 'T', 'true', 'TRUE', 'True'].map((word) => [word, true])),
  ...Object.fromEntries(['0', 'f', 'F', 'false', 'FALSE', 'False'].map((word) => [word, false])),
};

function parseTruth(text: string | undefined): boolean | undefined {
  if (text === undefined || text === '') return undefined;
  const truth = TRUTH[text];
  if (truth !== undefined) return truth;
  throw new DeployerError('usage', `DOCKER_BUILDKIT: "${cleanLine(text, 40)}" is neither 1 nor 0`, {
    suggestions: ['unset DOCKER_BUILDKIT, or set it to 1 or 0'],
  });
}

export interface ClassicRequest extends Pick<BuildSettings, 'platforms' | 'cacheFrom' | 'cacheTo'> {
  readonly secretIds: readonly string[];
  readonly hasSsh: boolean;
  readonly provenance: Provenance;
  readonly push: Push;
  /** `fly.toml:6: build.provenance`; `--provenance` unless told. */
  readonly provenanceFrom?: string;
}

/** `POST /build` takes a platform from here on; before it is left out without a word. */
const PLATFORM_API = [1, 32] as const;

/**
 * Makes sure that a build asks for nothing that its builder would leave out, or trip over later.
 * @throws DeployerError `build_unavailable`
 */
export function refuseBeyondClassic(
  { secretIds, hasSsh, provenance, provenanceFrom, push, platforms, cacheFrom, cacheTo }: ClassicRequest,
  builder: ClassicBuilder,
): void {
  if (secretIds.length > 0) {
    throw beyond(
      `--build-secret ${cleanLine(secretIds[0] ?? '', 60)}`,
      'can give no secret to a build',
      builder,
    );
  }
  if (hasSsh) throw beyond('--ssh', 'can give no agent to a build', builder);
  if (provenance === 'min' || provenance === 'max') {
    const asked = `${provenanceFrom ?? '--provenance'} ${provenance}`;
    throw beyondStore(asked, "can't attest where an image comes from", builder, [
      `or ${withoutProvenance(provenanceFrom)}`,
    ]);
  }
  if (cacheTo.some(({ type }) => type === 'registry'))
    throw beyondStore('--cache-to', "can't push a cache by itself", builder);
  if (push === 'direct')
    throw beyondStore('--direct-push', "can't push by itself", builder, [`or ${WITHOUT_DIRECT_PUSH}`]);
  if (platforms.length > 1) {
    const instead = ['or build for one: --platform OS/ARCH'];
    throw beyondStore('--platform', 'builds for one platform at a time', builder, instead);
  }
  if (cacheFrom.length + cacheTo.length > 0) {
    const flag = cacheFrom.length > 0 ? '--cache-from' : '--cache-to';
    throw beyond(flag, 'knows no cache but its own', builder);
  }
  if (platforms.length > 0 && !isAtLeast(builder.engine.apiVersion, PLATFORM_API)) {
    throw beyond('--platform', 'builds for its own platform alone', builder);
  }
}

/** Flags that BuildKit alone knows; Podman knows them too. */
const BUILDKIT_FLAGS =
  /^(?:RUN(?: --\S+)*? --(?:mount|network|security)|(?:COPY|ADD)(?: --\S+)*? --(?:chmod|link|parents|exclude|checksum|keep-git-dir))\b/;
const HERE_DOCUMENT = /^(?:RUN|COPY|ADD)\b.* <<-?["']?[A-Za-z_]/;

/**
 * As `refuseBeyondClassic`, of the Dockerfile.
 * @throws DeployerError `build_unavailable`, naming the line
 */
export function refuseInstructionsBeyondClassic(
  dockerfile: { readonly shown: string; readonly text: string },
  builder: ClassicBuilder,
): void {
  if (builder.engine.product === 'podman') return;
  for (const { line, text } of instructionsOf(dockerfile.text)) {
    const [, flag] = / --(\w[\w-]*)\S*$/.exec(BUILDKIT_FLAGS.exec(text)?.[0] ?? '') ?? [];
    const where = `${dockerfile.shown}:${line}: ${text.split(' ', 1)[0]}`;
    if (flag !== undefined) throw beyond(`${where} --${flag}`, 'does not know it', builder);
    if (HERE_DOCUMENT.test(text)) throw beyond(`${where} <<`, 'knows no here-documents', builder);
  }
}

/** What takes the containerd store beside BuildKit: with BuildKit alone an engine without it refuses it, too. */
function beyondStore(
  asked: string,
  why: string,
  builder: ClassicBuilder,
  instead: readonly string[] = [],
): DeployerError {
  const { engine } = builder;
  const isEnough = engine.product === 'docker' && isAtLeast(engine.apiVersion, ATTESTING_API);
  const store = gettingTheStore(engine);
  const mend = isEnough ? builder.mend : store;
  const also = isEnough && engine.store !== 'containerd' ? [`and ${store}`] : [];
  return beyond(
    asked,
    why,
    { ...builder, mend },
    { evidence: [TAKES_CONTAINERD], suggestions: [...also, ...instead] },
  );
}

function beyond(
  asked: string,
  why: string,
  { name, engine, mend }: ClassicBuilder,
  { evidence = [], suggestions = [] }: Pick<ErrorOptions, 'evidence' | 'suggestions'> = {},
): DeployerError {
  return new DeployerError('build_unavailable', `${asked}: ${name} ${why}`, {
    evidence: [`${engine.product} ${engine.version}, API ${engine.apiVersion}`, ...evidence],
    suggestions: [mend, ...suggestions],
  });
}
