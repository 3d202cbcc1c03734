import { randomUUID } from 'node:crypto';
import { releaseArg } from '../../cli/args.js';
import { BaseCommand } from '../../cli/base-command.js';
import { withDetails } from '../../cli/failure.js';
import { appFlags, deployFlags } from '../../cli/flags.js';
import { registryOptions } from '../../cli/registry-options.js';
import { loadConfig } from '../../config/load-config.js';
import type { PlanDocument } from '../../deploy/plan.js';
import type { DeployResult } from '../../deploy/result.js';
import type { EventSink } from '../../deploy/events.js';
import { LeftBehind } from '../../deploy/left-behind.js';
import { rollback } from '../../deploy/rollback.js';
import { systemClock as clock } from '../../lib/clock.js';
import { parseDuration } from '../../lib/duration.js';
import { connectApi } from '../../targets/connect.js';
import { chooseView } from '../../ui/choose-view.js';

export default class ReleaseRollback extends BaseCommand {
  static override summary = 'Put a past release back: its image by digest, its environment and services.';
  static override description =
    'It becomes a release of its own, made with the same care as a deploy: machine by machine, watched until it is ' +
    'healthy, undone if it is not.';
  static override examples = [
    '<%= config.bin %> release rollback --app example',
    '<%= config.bin %> release rollback v11 --app example',
  ];
  static override args = {
    release: releaseArg('The release: v11, 11 or its id; else the last healthy one before the present.'),
  };
  static override flags = {
    ...appFlags,
    'wait-timeout': deployFlags['wait-timeout'],
    'lock-wait': deployFlags['lock-wait'],
    'dry-run': deployFlags['dry-run'],
    events: deployFlags.events,
  };

  async run(): Promise<DeployResult | { plan: PlanDocument }> {
    const { args, flags } = await this.parse(ReleaseRollback);
    const apiPorts = { ...registryOptions(this.io, this.config), flags, cwd: process.cwd() };
    const { config } = await loadConfig(apiPorts);
    const lockWaitMs = parseDuration(flags['lock-wait'], '--lock-wait');
    const target = await connectApi(config.target, apiPorts);

    const { 'dry-run': dryRun } = flags;
    const request = { config, release: args.release, releaseId: randomUUID(), lockWaitMs, dryRun };
    const view = chooseView(this.io, flags, config.appFlags);
    this.view = view;
    const left = new LeftBehind(config.app);
    this.leftBehind = () => left.describe();
    const sink: EventSink = (event) => {
      left.show(event);
      this.undoing = left.undoing;
      view.show(event);
    };
    const ports = { target, clock, sink, signal: this.signal };
    const done = await rollback(request, ports).finally(() => view.close());
    if ('plan' in done) return done;
    if (done.error !== undefined) throw withDetails(done.error, done.result);
    return done.result;
  }
}
