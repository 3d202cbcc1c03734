import { join } from 'node:path';
import { string as stringArg } from '@oclif/core/args';
import { boolean, string } from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.js';
import { buildFlags } from '../cli/build-flags.js';
import { registryFlags } from '../cli/registry-flags.js';
import { registryOptions } from '../cli/registry-options.js';
import { contextAt, dockerfileAt } from '../config/build-files.js';
import { readBuildFlags } from '../config/build-settings.js';
import { buildImage, type BuildImageRequest, type BuildImageResult } from '../deploy/build-image.js';
import type { Push } from '../engine/build/output.js';
import { readCacheFlags } from '../engine/build/cache.js';
import { reachEngine } from '../engine/reach.js';
import { parseImageLocation } from '../image/location.js';
import { ImageSearch } from '../image/search.js';
import { ShapeReader } from '../image/shape.js';
import { systemClock as clock } from '../lib/clock.js';
import { DeployerError } from '../lib/errors.js';
import { shownInput } from '../lib/redact.js';
import { parsePlatforms } from '../oci/platform.js';
import type { Reference } from '../oci/reference.js';
import { connectRegistry } from '../registry/connect.js';
import { flyCapabilities } from '../targets/fly/capabilities.js';
import { flyRegistryCredentials } from '../targets/fly/registry-credentials.js';
import { buildLines } from '../ui/build-text.js';
import { chooseBuildView } from '../ui/build-view.js';

const CALL = 'deployer build . --tag REF';

type Parsed = Awaited<ReturnType<Build['parseAll']>>;

export default class Build extends BaseCommand {
  static override summary = 'Build an image through the Docker Engine or Podman; with --push, push it.';
  static override description =
    'No docker program is needed. The engine is found as docker finds it: DOCKER_HOST, DOCKER_CONTEXT, or the usual socket. Of the context only what changed since the last build is sent; without BuildKit (Podman, DOCKER_BUILDKIT=0) all of it is.';
  static override examples = [
    '<%= config.bin %> build . --tag registry.fly.io/example:v1 --push',
    '<%= config.bin %> build . --tag example:v1 --build-secret id=npm,src=.npmrc',
  ];
  static override args = {
    context: stringArg({
      name: 'CONTEXT',
      default: '.',
      description: 'The folder that COPY copies from.',
    }),
  };
  static override flags = {
    tag: string({ helpValue: 'REF', required: true, summary: 'What the image is called.' }),
    push: boolean({ default: false, summary: 'Push it to the registry that its name begins with.' }),
    platform: string({
      helpValue: 'OS/ARCH[/VARIANT][,OS/ARCH]',
      multiple: true,
      multipleNonGreedy: true,
      summary: "Several make one index; they need the containerd store. Repeatable [default: the engine's].",
    }),
    ...buildFlags,
    ...registryFlags,
  };
  protected override undoing = 'ending the build';

  async run(): Promise<BuildImageResult> {
    const parsed = await this.parseAll();
    const request = await requestOf(parsed, this.io.env);
    const { signal } = this;
    const { env, redactor } = this.io;
    const { registry, credentials } = connectRegistry({
      ...registryOptions(this.io, this.config, parsed.flags['insecure-registry']),
      warn: (message) => this.note(`warning: ${message}`),
      fallback: flyRegistryCredentials(env),
    });
    const view = chooseBuildView(this.io);
    this.view = view;
    try {
      const result = await buildImage(request, {
        connectEngine: () => reachEngine(env),
        findLogin: (host) => credentials.find(host, request.reference.path),
        search: new ImageSearch(registry, clock),
        shapes: new ShapeReader(registry),
        env,
        clock,
        lag: flyCapabilities.lag,
        keepSecret: (value) => redactor.add(value),
        onBuild: view.show,
        onPush: view.showPush,
        signal,
      });
      await view.close();
      for (const line of buildLines(result)) this.out(line);
      return result;
    } finally {
      await view.close();
    }
  }

  private async parseAll() {
    return this.parse(Build);
  }
}

/** @throws DeployerError `usage` */
function pushOf({ push, 'direct-push': direct }: Parsed['flags']): Push {
  if (direct && !push)
    throw new DeployerError('usage', '--direct-push: nothing is pushed', { suggestions: ['add --push'] });
  if (direct) return 'direct';
  return push ? 'from-store' : 'none';
}

/** @throws DeployerError `image_source_unsupported` for a file: an engine writes none */
function nameToBuild(text: string): Reference {
  const location = parseImageLocation(text);
  if (location.kind === 'registry') return location.reference;
  const file = shownInput(text, 200);
  throw new DeployerError(
    'image_source_unsupported',
    `--tag: "${file}" lies in no registry, and has to here`,
    {
      suggestions: [
        'deployer build . --tag REGISTRY/NAME:TAG --push',
        `then make the file of it: deployer image copy REGISTRY/NAME:TAG ${file}`,
      ],
    },
  );
}

async function requestOf(
  { args, flags }: Parsed,
  env: Readonly<Record<string, string | undefined>>,
): Promise<BuildImageRequest> {
  const { tag = 'latest', digest, ...name } = nameToBuild(flags.tag);
  if (digest !== undefined)
    throw new DeployerError('usage', '--tag: a digest is what a build gives, not what it takes');
  return {
    reference: { ...name, tag },
    context: await contextAt(args.context, CALL),
    dockerfile: await dockerfileAt(flags.dockerfile ?? join(args.context, 'Dockerfile'), process.stdin),
    ...readBuildFlags(flags, env, CALL),
    push: pushOf(flags),
    platforms: parsePlatforms(flags.platform ?? [], '--platform'),
    ...readCacheFlags(flags),
  };
}
