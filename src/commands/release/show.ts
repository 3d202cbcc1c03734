import { releaseArg } from '../../cli/args.js';
import { BaseCommand } from '../../cli/base-command.js';
import { appFlags } from '../../cli/flags.js';
import { registryOptions } from '../../cli/registry-options.js';
import { readRelease, type ReleaseDocument } from '../../deploy/app-documents.js';
import { connectApp } from '../../targets/connect.js';
import { releaseDetailLines } from '../../ui/app-text.js';

export default class ReleaseShow extends BaseCommand {
  static override summary = 'Show a release of an app: its image, when it came, the machines that run it.';
  static override examples = [
    '<%= config.bin %> release show --app example',
    '<%= config.bin %> release show v11 --app example',
  ];
  static override args = { release: releaseArg('The release: v11, 11 or its id; else the one that runs.') };
  static override flags = appFlags;

  async run(): Promise<ReleaseDocument> {
    const { args, flags } = await this.parse(ReleaseShow);
    const ports = { ...registryOptions(this.io, this.config), flags, cwd: process.cwd() };
    const { app, target } = await connectApp(ports);
    const shown = await readRelease(target, app, args.release, this.signal);
    for (const line of releaseDetailLines(shown)) this.out(line);
    return shown;
  }
}
