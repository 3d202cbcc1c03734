import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { string as stringArg } from '@oclif/core/args';
import { BaseCommand } from '../cli/base-command.js';
import { buildFlags } from '../cli/build-flags.js';
import { withDetails } from '../cli/failure.js';
import { deployFlags } from '../cli/flags.js';
import { registryFlags } from '../cli/registry-flags.js';
import { registryOptions } from '../cli/registry-options.js';
import { apiCredentials } from '../config/api-credentials.js';
import { buildSource } from '../config/build-source.js';
import { loadConfig } from '../config/load-config.js';
import type { BuildAsked } from '../deploy/build-wish.js';
import type { Deployed } from '../deploy/carry-out.js';
import { deploy, type DeployRequest } from '../deploy/deploy.js';
import type { EventSink } from '../deploy/events.js';
import { LeftBehind } from '../deploy/left-behind.js';
import type { PlanDocument } from '../deploy/plan.js';
import type { DeployResult } from '../deploy/result.js';
import { readCacheFlags } from '../engine/build/cache.js';
import { reachEngine } from '../engine/reach.js';
import { ImageSearch } from '../image/search.js';
import { systemClock as clock } from '../lib/clock.js';
import { parseDuration } from '../lib/duration.js';
import { shellWord } from '../lib/text.js';
import { DeployerError } from '../lib/errors.js';
import { parsePlatform } from '../oci/platform.js';
import { connectRegistry } from '../registry/connect.js';
import { connectTarget } from '../targets/connect.js';
import { flyRegistryCredentials } from '../targets/fly/registry-credentials.js';
import { chooseView } from '../ui/choose-view.js';

type Parsed = Awaited<ReturnType<Deploy['parseAll']>>;

export default class Deploy extends BaseCommand {
  static override summary =
    'Find an image, hand it to a deploy API by digest, stay until it is healthy or undone.';
  static override description = [
    'Exit codes: 0 done, 2 usage or configuration, 3 image, app or release not found, 4 not authorised, 5 the target',
    'can not run the image, 6 build, 7 push, 8 failed and rolled back (a first release: nothing is left running),',
    '9 failed and not rolled back, 10 locked, 11 timed out and still running, 12 network or service unavailable,',
    '13 done but stdout did not take the result, 130 interrupted.',
  ].join(' ');
  static override examples = [
    '<%= config.bin %> deploy --image registry.fly.io/example:v1 --app example',
    '<%= config.bin %> deploy . --image registry.fly.io/example:v1 --app example',
    '<%= config.bin %> deploy --image registry.fly.io/example:v1 --app example --dry-run',
    '<%= config.bin %> deploy --image oci:build/image --app example',
  ];
  static override args = {
    context: stringArg({
      name: 'CONTEXT',
      description:
        "What the image is built from when it is missing [else the folder of the file's `[build] dockerfile`].",
    }),
  };
  static override flags = { ...deployFlags, ...buildFlags, ...registryFlags };

  async run(): Promise<DeployResult | { plan: PlanDocument }> {
    const deployed = await this.deploy(await this.parseAll());
    if ('plan' in deployed) return deployed;
    if (deployed.error !== undefined) throw withDetails(deployed.error, deployed.result);
    return deployed.result;
  }

  private async parseAll() {
    return this.parse(Deploy);
  }

  private async deploy(parsed: Parsed): Promise<Deployed> {
    const { flags } = parsed;
    const { env, redactor } = this.io;
    const request = await requestOf(parsed, env);
    const { config } = request;
    this.images = [request.image];
    const keepSecret = (token: string): void => redactor.add(token);
    const api = await apiCredentials({ flags, env, cwd: process.cwd(), keepSecret });

    const view = chooseView(this.io, flags, config.appFlags);
    this.view = view;
    const { http, registry, ...privacy } = connectRegistry({
      ...registryOptions(this.io, this.config, flags['insecure-registry']),
      warn: (message) => this.note(`warning: ${message}`),
      fallback: flyRegistryCredentials(env, api),
    });
    const target = await connectTarget(config.target, { http, clock, api, env });
    const left = new LeftBehind(config.app, request);
    this.leftBehind = () => left.describe();
    const sink: EventSink = (event) => {
      left.show(event);
      this.undoing = left.undoing;
      view.show(event);
    };
    try {
      return await deploy(request, {
        target,
        ...{ registry, privacy, clock },
        search: new ImageSearch(registry, clock),
        tempFolder: tmpdir(),
        building: { env, keepSecret, connectEngine: () => reachEngine(env) },
        sink,
        signal: this.signal,
      });
    } finally {
      await view.close();
    }
  }
}

type Environment = Readonly<Record<string, string | undefined>>;

async function requestOf({ args, flags }: Parsed, env: Environment): Promise<DeployRequest> {
  const { config, warnings } = await loadConfig({ flags, env, cwd: process.cwd() });
  const { stdin } = process;
  const source = await buildSource(args.context, flags, { config: config.build, env, stdin });
  const { rollback, detach, 'dry-run': dryRun } = flags;
  return {
    config,
    image: imageOf(config, args.context),
    build: {
      when: flags.build as BuildAsked['build']['when'],
      ...(source && { source: { ...source, ...readCacheFlags(flags) } }),
    },
    ...(flags.platform === undefined ? {} : { platform: parsePlatform(flags.platform, '--platform') }),
    accept: flags.accept === 'docker' ? 'docker' : 'all',
    releaseId: randomUUID(),
    lockWaitMs: parseDuration(flags['lock-wait'], '--lock-wait'),
    ...{ rollback, detach, dryRun, warnings },
  };
}

function imageOf({ image, app, appFlags }: DeployRequest['config'], context: string | undefined): string {
  if (image !== undefined) return image;
  const from = context === undefined ? '' : ` ${shellWord(context)}`;
  throw new DeployerError('usage', 'there is no image to deploy: name it with --image', {
    suggestions: [
      `deployer deploy${from} --image registry.fly.io/${app}:v1${appFlags}`,
      "or in the file: [build] image = '...'",
    ],
  });
}
