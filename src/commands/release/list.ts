import { BaseCommand } from '../../cli/base-command.js';
import { appFlags } from '../../cli/flags.js';
import { registryOptions } from '../../cli/registry-options.js';
import { loadAppConfig } from '../../config/load-config.js';
import { readReleases, type ReleaseListDocument } from '../../deploy/app-documents.js';
import { connectApi } from '../../targets/connect.js';
import { releaseLines } from '../../ui/app-text.js';

export default class ReleaseList extends BaseCommand {
  static override summary = 'List the releases of an app, newest first, as its machines remember them.';
  static override examples = ['<%= config.bin %> release list --app example'];
  static override flags = appFlags;

  async run(): Promise<ReleaseListDocument> {
    const { flags } = await this.parse(ReleaseList);
    const { env, redactor } = this.io;
    const inputs = { flags, env, cwd: process.cwd() };
    const { app, target: name } = await loadAppConfig(inputs);
    const keepSecret = (token: string): void => redactor.add(token);
    const target = await connectApi(name, {
      ...registryOptions(this.io, this.config),
      ...inputs,
      keepSecret,
    });
    const list = await readReleases(target, app, this.signal);
    for (const line of releaseLines(list)) this.out(line);
    return list;
  }
}
