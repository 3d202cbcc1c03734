import { tmpdir } from 'node:os';
import { boolean, string } from '@oclif/core/flags';
import { destinationArg, sourceArg } from '../../cli/args.js';
import { BaseCommand } from '../../cli/base-command.js';
import { registryFlags } from '../../cli/registry-flags.js';
import { registryOptions } from '../../cli/registry-options.js';
import { copyImage, type CopyResult } from '../../image/copy.js';
import { parseImageLocation } from '../../image/location.js';
import { ImageSearch } from '../../image/search.js';
import { systemClock } from '../../lib/clock.js';
import { parsePlatform } from '../../oci/platform.js';
import { connectRegistry } from '../../registry/connect.js';
import { flyRegistryCredentials } from '../../targets/fly/registry-credentials.js';
import { copyLines } from '../../ui/copy-text.js';
import { chooseCopyView } from '../../ui/copy-view.js';

export default class ImageCopy extends BaseCommand {
  static override summary = 'Copy an image between registries, layouts and archives; its digest is kept.';
  static override description =
    'Blobs that the destination has are skipped, those of another repository of the same registry are mounted. The tag comes last: a copy that breaks leaves none that points at something incomplete. A docker archive holds one platform, in a form of its own: there the digest is another.';
  static override examples = [
    '<%= config.bin %> image copy registry.example.com/app:v1 registry.fly.io/example:v1',
    '<%= config.bin %> image copy oci:build/image registry.fly.io/example:v1 --platform linux/amd64',
    '<%= config.bin %> image copy docker-archive:app.tar registry.fly.io/example:v1',
  ];
  static override args = { source: sourceArg, destination: destinationArg };
  static override flags = {
    ...registryFlags,
    platform: string({
      helpValue: 'OS/ARCH[/VARIANT]',
      summary: "Copy this platform's own manifest alone, without index and attestations.",
    }),
    all: boolean({
      summary: 'Copy every platform, with attestations (what is done when nothing is said).',
      exclusive: ['platform'],
    }),
    referrers: boolean({ summary: 'Also copy what is about the image: signatures, SBOMs.' }),
  };
  protected override undoing = 'stopping; the destination keeps what it had under this name';

  async run(): Promise<CopyResult> {
    const { args, flags } = await this.parse(ImageCopy);
    this.images = [args.source, args.destination];
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
        { source, destination, ...platform, referrers: flags.referrers },
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
