import { boolean, string } from '@oclif/core/flags';
import { destinationArg, sourceArg } from '../../cli/args.js';
import { CopyCommand } from '../../cli/copy-command.js';
import { registryFlags } from '../../cli/registry-flags.js';
import type { CopyResult } from '../../image/copy.js';

export default class ImageCopy extends CopyCommand {
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

  async run(): Promise<CopyResult> {
    const parsed = await this.parse(ImageCopy);
    return this.copy(parsed, { referrers: parsed.flags.referrers });
  }
}
