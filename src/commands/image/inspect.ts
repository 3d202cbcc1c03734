import { boolean, string } from '@oclif/core/flags';
import { referenceArg } from '../../cli/args.js';
import { BaseCommand } from '../../cli/base-command.js';
import { registryFlags } from '../../cli/registry-flags.js';
import { registryOptions } from '../../cli/registry-options.js';
import { inspectImage, type Inspection } from '../../image/inspect.js';
import { parseRegistryImage } from '../../image/location.js';
import { ImageSearch } from '../../image/search.js';
import { ShapeReader } from '../../image/shape.js';
import { systemClock } from '../../lib/clock.js';
import { parsePlatform } from '../../oci/platform.js';
import { connectRegistry } from '../../registry/connect.js';
import { flyRegistryCredentials } from '../../targets/fly/registry-credentials.js';
import { inspectionLines } from '../../ui/image-text.js';

export default class ImageInspect extends BaseCommand {
  static override summary = 'Show what an image really is: kind, digest, platforms, layers, attestations.';
  static override examples = ['<%= config.bin %> image inspect registry.fly.io/example:v1'];
  static override args = { reference: referenceArg };
  static override flags = {
    ...registryFlags,
    platform: string({ helpValue: 'OS/ARCH[/VARIANT]', summary: 'Show this platform alone.' }),
    raw: boolean({ summary: "Print the manifest's or index's exact bytes.", exclusive: ['json'] }),
  };

  async run(): Promise<Inspection | void> {
    const { args, flags } = await this.parse(ImageInspect);
    const reference = parseRegistryImage(args.reference);
    const only = flags.platform === undefined ? undefined : parsePlatform(flags.platform, '--platform');
    const { registry } = connectRegistry({
      ...registryOptions(this.io, this.config, flags['insecure-registry']),
      fallback: flyRegistryCredentials(this.io.env),
    });
    const { signal } = this;
    const found = await new ImageSearch(registry, systemClock).find(reference, {
      signal,
      // An index is followed by its platforms' manifests and attestations.
      atOnce: flags.raw ? 1 : 2,
      onWait: (why) => this.note(why),
    });
    if (flags.raw) {
      this.io.stdout.write(found.stored.bytes);
      return;
    }
    const inspection = await inspectImage(found, new ShapeReader(registry), {
      signal,
      ...(only ? { only } : {}),
    });
    for (const line of inspectionLines(inspection)) this.out(line);
    return inspection;
  }
}
