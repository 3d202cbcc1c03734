import { BaseCommand } from '../../cli/base-command.js';
import { appFlags } from '../../cli/flags.js';
import { registryOptions } from '../../cli/registry-options.js';
import { readReleases, type ReleaseListDocument } from '../../deploy/app-documents.js';
import { connectApp } from '../../targets/connect.js';
import { releaseLines } from '../../ui/app-text.js';

export default class ReleaseList extends BaseCommand {
  static override summary = 'List the releases of an app, newest first, as its machines remember them.';
  static override examples = ['<%= config.bin %> release list --app example'];
  static override flags = appFlags;

  async run(): Promise<ReleaseListDocument> {
    const { flags } = await this.parse(ReleaseList);
    const ports = { ...registryOptions(this.io, this.config), flags, cwd: process.cwd() };
    const { app, target } = await connectApp(ports);
    const list = await readReleases(target, app, this.signal);
    for (const line of releaseLines(list)) this.out(line);
    return list;
  }
}
