import { tmpdir } from 'node:os';
import { copyImage, type CopyRequest, type CopyResult } from '../image/copy.js';
import { parseImageLocation } from '../image/location.js';
import { ImageSearch } from '../image/search.js';
import { systemClock } from '../lib/clock.js';
import { parsePlatform } from '../oci/platform.js';
import { connectRegistry } from '../registry/connect.js';
import { flyRegistryCredentials } from '../targets/fly/registry-credentials.js';
import { copyLines } from '../ui/copy-text.js';
import { chooseCopyView } from '../ui/copy-view.js';
import { BaseCommand } from './base-command.js';
import { registryOptions } from './registry-options.js';

interface Asked {
  readonly args: { readonly source: string; readonly destination: string };
  readonly flags: {
    readonly platform?: string | undefined;
    readonly 'insecure-registry'?: string[] | undefined;
  };
}

/** A command that brings an image from one place to another, as it is or in another form. */
export abstract class CopyCommand extends BaseCommand {
  protected override undoing = 'stopping; the destination keeps what it had under this name';

  protected async copy(
    { args, flags }: Asked,
    how: Pick<CopyRequest, 'referrers' | 'conversion'>,
  ): Promise<CopyResult> {
    const platform =
      flags.platform === undefined ? {} : { platform: parsePlatform(flags.platform, '--platform') };
    const source = parseImageLocation(args.source);
    const destination = parseImageLocation(args.destination);
    const view = chooseCopyView(this.io, systemClock);
    this.view = view;
    const { registry } = connectRegistry({
      ...registryOptions(this.io, this.config, flags['insecure-registry']),
      warn: (message) => this.note(`warning: ${message}`),
      fallback: flyRegistryCredentials(this.io.env),
    });
    try {
      const result = await copyImage(
        { source, destination, ...platform, ...how },
        {
          registry,
          search: new ImageSearch(registry, systemClock),
          tempFolder: tmpdir(),
          signal: this.signal,
          onProgress: view.show,
        },
      );
      await view.close();
      for (const line of copyLines(result)) this.out(line);
      return result;
    } finally {
      await view.close();
    }
  }
}
