import { tmpdir } from 'node:os';
import { boolean, string } from '@oclif/core/flags';
import { imageArg } from '../../cli/args.js';
import { BaseCommand } from '../../cli/base-command.js';
import { registryFlags } from '../../cli/registry-flags.js';
import { registryOptions } from '../../cli/registry-options.js';
import { inspectImage, type Inspection } from '../../image/inspect.js';
import { formatImageLocation, parseImageLocation } from '../../image/location.js';
import { openSource } from '../../image/open-source.js';
import { ImageSearch } from '../../image/search.js';
import { systemClock } from '../../lib/clock.js';
import { parsePlatform } from '../../oci/platform.js';
import { connectRegistry } from '../../registry/connect.js';
import { flyRegistryCredentials } from '../../targets/fly/registry-credentials.js';
import { inspectionLines } from '../../ui/image-text.js';

export default class ImageInspect extends BaseCommand {
  static override summary = 'Show what an image really is: kind, digest, platforms, layers, attestations.';
  static override description =
    'Of a docker archive of before Docker 25, which holds no manifest, the one is shown that it gets when it is pushed.';
  static override examples = [
    '<%= config.bin %> image inspect registry.fly.io/example:v1',
    '<%= config.bin %> image inspect oci:build/image --platform linux/arm64',
  ];
  static override args = { reference: imageArg };
  static override flags = {
    ...registryFlags,
    platform: string({ helpValue: 'OS/ARCH[/VARIANT]', summary: 'Show this platform alone.' }),
    raw: boolean({ summary: "Print the manifest's or index's exact bytes.", exclusive: ['json'] }),
  };

  async run(): Promise<Inspection | void> {
    const { args, flags } = await this.parse(ImageInspect);
    this.images = [args.reference];
    const location = parseImageLocation(args.reference);
    const only = flags.platform === undefined ? undefined : parsePlatform(flags.platform, '--platform');
    const { registry } = connectRegistry({
      ...registryOptions(this.io, this.config, flags['insecure-registry']),
      fallback: flyRegistryCredentials(this.io.env),
    });
    const source = await openSource(location, {
      ...{
        registry,
        search: new ImageSearch(registry, systemClock),
        tempFolder: tmpdir(),
        signal: this.signal,
      },
      // An index is followed by its platforms' manifests and attestations.
      searching: { atOnce: flags.raw ? 1 : 2, onWait: (why) => this.note(why) },
    });
    try {
      const stored = await source.root();
      if (flags.raw) {
        this.io.stdout.write(stored.bytes);
        return;
      }
      const name = formatImageLocation(location);
      const inspection = await inspectImage({ name, stored, content: source }, only);
      this.out(inspectionLines(inspection).join('\n'));
      return inspection;
    } finally {
      await source.close();
    }
  }
}
