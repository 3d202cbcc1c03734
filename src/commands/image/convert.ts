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

export default class ImageConvert extends BaseCommand {
  static override summary =
    "Write an image in OCI's or in Docker's media types; its digest changes, its blobs do not.";
  static override description =
    'For registries and platforms that take one form alone. What has no equal in the other form (artifacts, zstd or encrypted layers, attestations) is refused, with the reason.';
  static override examples = [
    '<%= config.bin %> image convert registry.fly.io/example:v1 registry.fly.io/example:v1-docker --to docker --strip-attestations',
  ];
  static override args = { source: sourceArg, destination: destinationArg };
  static override flags = {
    ...registryFlags,
    to: string({ options: ['docker', 'oci'], required: true, summary: 'The media types to write it in.' }),
    'strip-attestations': boolean({
      summary: 'Leave attestations out: they are about the digest that the image had.',
    }),
    platform: string({
      helpValue: 'OS/ARCH[/VARIANT]',
      summary: "Convert this platform's own manifest alone.",
    }),
  };
  protected override undoing = 'stopping; the destination keeps what it had under this name';

  async run(): Promise<CopyResult> {
    const { args, flags } = await this.parse(ImageConvert);
    this.images = [args.source, args.destination];
    const platform =
      flags.platform === undefined ? {} : { platform: parsePlatform(flags.platform, '--platform') };
    const to = flags.to === 'docker' ? 'docker' : 'oci';
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
        {
          source,
          destination,
          ...platform,
          conversion: { to, stripAttestations: flags['strip-attestations'] },
        },
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
