import { boolean, string } from '@oclif/core/flags';
import { destinationArg, sourceArg } from '../../cli/args.js';
import { CopyCommand } from '../../cli/copy-command.js';
import { registryFlags } from '../../cli/registry-flags.js';
import type { CopyResult } from '../../image/copy.js';

export default class ImageConvert extends CopyCommand {
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

  async run(): Promise<CopyResult> {
    const parsed = await this.parse(ImageConvert);
    const to = parsed.flags.to === 'docker' ? 'docker' : 'oci';
    return this.copy(parsed, { conversion: { to, stripAttestations: parsed.flags['strip-attestations'] } });
  }
}
