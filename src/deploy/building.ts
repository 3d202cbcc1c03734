import type { FlagSettings } from '../config/build-settings.js';
import type { DockerfileSource } from '../engine/build/build.js';
import { pushesDirectly, type BuildSettings } from '../engine/build/query.js';
import type { PushedLayer } from '../engine/push-layers.js';
import type { OpenSourcePorts } from '../image/open-source.js';
import type { PrivacyPorts } from '../image/privacy.js';
import { ShapeReader } from '../image/shape.js';
import type { Clock } from '../lib/clock.js';
import { DeployerError } from '../lib/errors.js';
import { cleanLine } from '../lib/text.js';
import { formatSize } from '../lib/size.js';
import { shortDigest } from '../oci/digest.js';
import { mediaTypeName } from '../oci/media-types.js';
import { formatReference, type Reference } from '../oci/reference.js';
import type { Target } from '../targets/target.js';
import type { TargetPlatform } from './asked-platform.js';
import {
  ImageBuild,
  type BuildEvent,
  type BuildImagePorts,
  type BuildImageResult,
  type Pushed,
} from './build-image.js';
import { chooseProvenance, platformToBuild, type PlannedBuild } from './build-plan.js';
import { tellingTenths } from './delivery.js';
import type { Vertex } from './events.js';
import { STEP_TITLE } from './execute.js';
import type { Steps, StepVoice } from './steps.js';

/** What an image is built from. */
export interface BuildSource extends FlagSettings, Pick<BuildSettings, 'cacheFrom' | 'cacheTo'> {
  /** What on the command line asks for a build: `CONTEXT`, `--build-arg`. */
  readonly named: readonly string[];
  readonly context: string;
  readonly dockerfile: { readonly name: string; readonly read: () => Promise<DockerfileSource> };
  /** What the configuration asks for, where the flag leaves it open. */
  readonly configuredProvenance?: 'off' | 'min' | 'max';
  readonly provenanceFrom?: string;
}

export interface BuildRequest {
  readonly source: BuildSource;
  readonly reference: Reference & { readonly tag: string };
  /** As the user asks for it. */
  readonly platform?: TargetPlatform | undefined;
}

export interface BuildingPorts
  extends OpenSourcePorts, Pick<BuildImagePorts, 'connectEngine' | 'keepSecret' | 'env'> {
  readonly privacy: PrivacyPorts;
  readonly clock: Clock;
}

/** Builds an image that is missing, and pushes it. Prepared, by reading alone, so that the plan can tell of it. */
export class Building {
  readonly planned: PlannedBuild;
  readonly #image: ImageBuild;
  readonly #steps: Steps;
  readonly #account: BuildAccount;

  private constructor(planned: PlannedBuild, image: ImageBuild, steps: Steps, account: BuildAccount) {
    this.planned = planned;
    this.#image = image;
    this.#steps = steps;
    this.#account = account;
  }

  /**
   * @throws DeployerError `platform_not_found`, `engine_unavailable`, `build_unavailable`, `usage` (the Dockerfile)
   */
  static async prepare(
    { source, reference, platform: asked }: BuildRequest,
    target: Pick<Target, 'name' | 'capabilities'>,
    ports: BuildingPorts,
    steps: Steps,
  ): Promise<Building> {
    const platform = platformToBuild(asked, target);
    const provenance = chooseProvenance(source.provenance, source.configuredProvenance, target);
    const dockerfile = await source.dockerfile.read();
    const account = new BuildAccount(steps);
    const image = await ImageBuild.prepare(
      {
        ...{ ...source, reference, dockerfile, platforms: [platform], provenance: provenance.mode },
        push: source.pushesDirectly === true ? 'direct' : 'from-store',
      },
      {
        ...ports,
        findLogin: (host) => ports.privacy.credentials.find(host, reference.path),
        shapes: new ShapeReader(ports.registry),
        lag: target.capabilities.lag,
        onBuild: account.take,
        onPush: account.takePush,
      },
    );
    const { product, version, address } = image.engine;
    const planned: PlannedBuild = {
      ...{ reference, platform, provenance },
      context: source.context,
      dockerfile: source.dockerfile.name,
      output: image.output,
      ...(image.epoch && { epoch: image.epoch }),
      engine: { name: `${product} ${version}`, address },
    };
    return new Building(planned, image, steps, account);
  }

  /** Carries it out: both steps, and nothing else. */
  async run(): Promise<{ readonly pushed: Pushed; readonly result: Omit<BuildImageResult, 'durations'> }> {
    const built = await this.#steps.run('build', STEP_TITLE.build, async () => {
      const value = await this.#image.build().catch(telling(buildEnded(this.planned)));
      const sent = `${formatSize(value.contextBytesSent)} of the context sent`;
      return { value, summary: `${this.#account.describe()}; ${sent}` };
    });
    const pushed = await this.#steps.run('push', STEP_TITLE.push, async (voice) => {
      this.#account.pushVoice = voice;
      const value = await this.#image.push(built).catch(telling(pushEnded(this.planned.reference)));
      const attested = value.attestations.length > 0 ? ' + attestation' : '';
      return { value, summary: `${mediaTypeName(value.mediaType)} ${shortDigest(value.digest)}${attested}` };
    });
    return { pushed, result: this.#image.result(built, pushed) };
  }
}

/** Says of a Ctrl-C what it ended; other errors say it themselves. */
function telling(fact: string): (error: unknown) => never {
  return (error) => {
    throw error instanceof DeployerError && error.code === 'interrupted' ? error.withEvidence(fact) : error;
  };
}

function buildEnded({ output, reference }: PlannedBuild): string {
  const pushed = pushesDirectly(output)
    ? `what was sent to ${formatReference(reference)} by then may stay there`
    : 'nothing was pushed';
  return `the build was ended: ${pushed}, nothing released`;
}

function pushEnded(reference: Reference): string {
  return `the push to ${formatReference(reference)} was ended: what was sent by then may stay there; nothing was released`;
}

/** Makes a deploy's events of what a build tells: one to keep for each of its steps, when that has ended. */
class BuildAccount {
  readonly #steps: Steps;
  #done = 0;
  #cached = 0;
  #tellPush: ((current: number, total: number, layer: PushedLayer) => void) | undefined;

  constructor(steps: Steps) {
    this.#steps = steps;
  }

  set pushVoice(voice: StepVoice) {
    const tell = tellingTenths(voice);
    this.#tellPush = (bytesDone, bytesTotal, layer) => {
      if (layer.state === 'pushing') tell({ bytesDone, bytesTotal });
      else voice.log('info', layer.text);
    };
  }

  readonly takePush = (current: number, total: number, layer: PushedLayer): void =>
    this.#tellPush?.(current, total, layer);

  readonly take = (event: BuildEvent): void => {
    const kept = { type: 'step.log', step: 'build' } as const;
    if (event.type === 'warning') {
      this.#steps.emit({ ...kept, level: 'warning', message: event.message });
    } else if (event.type === 'completed' || event.type === 'failed') {
      const vertex = vertexOf(event);
      this.#done += 1;
      if (vertex.cached) this.#cached += 1;
      this.#steps.emit({ ...kept, level: 'info', message: describeVertex(vertex), vertex });
    } else this.#steps.emit({ type: 'build', event });
  };

  describe(): string {
    return `${this.#done} ${this.#done === 1 ? 'step' : 'steps'}, ${this.#cached} cached`;
  }
}

function vertexOf(event: BuildEvent & { readonly type: 'completed' | 'failed' }): Vertex {
  const { number, name } = event.step;
  if (event.type === 'failed')
    return { number, name, cached: false, durationMs: 0, error: cleanLine(event.error, 500) };
  return { number, name, cached: event.cached, durationMs: event.durationMs };
}

function describeVertex({ name, cached, durationMs, error }: Vertex): string {
  if (error !== undefined) return `${name}  failed`;
  return cached ? `CACHED ${name}` : `${name}  ${(durationMs / 1000).toFixed(1)}s`;
}
