import { BaseCommand } from '../cli/base-command.js';
import { appFlags } from '../cli/flags.js';
import { registryOptions } from '../cli/registry-options.js';
import { readStatus, type StatusDocument } from '../deploy/app-documents.js';
import { connectApp } from '../targets/connect.js';
import { statusLines } from '../ui/app-text.js';

export default class Status extends BaseCommand {
  static override summary = 'Show which release of an app runs, and how each of its machines is.';
  static override examples = ['<%= config.bin %> status --app example'];
  static override flags = appFlags;

  async run(): Promise<StatusDocument> {
    const { flags } = await this.parse(Status);
    const ports = { ...registryOptions(this.io, this.config), flags, cwd: process.cwd() };
    const { app, target } = await connectApp(ports);
    const status = await readStatus(target, app, this.signal);
    for (const line of statusLines(status)) this.out(line);
    return status;
  }
}
