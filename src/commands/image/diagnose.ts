import { string } from '@oclif/core/flags';
import { referenceArg } from '../../cli/args.js';
import { BaseCommand } from '../../cli/base-command.js';
import { registryFlags } from '../../cli/registry-flags.js';
import { registryOptions } from '../../cli/registry-options.js';
import { diagnoseImage, type Diagnosis } from '../../image/diagnose.js';
import { parseRegistryImage } from '../../image/location.js';
import { ShapeReader } from '../../image/shape.js';
import { connectRegistry } from '../../registry/connect.js';
import { flyRegistryCredentials } from '../../targets/fly/registry-credentials.js';
import { knownPlatforms } from '../../targets/known-platforms.js';
import { diagnosisLines } from '../../ui/image-text.js';
import { asCalled } from '../../ui/program-name.js';
import { withSpinner } from '../../ui/spinner.js';

export default class ImageDiagnose extends BaseCommand {
  static override summary = 'Ask for an image as each kind of client asks, and say who can find and run it.';
  static override examples = ['<%= config.bin %> image diagnose registry.fly.io/example:v1'];
  static override args = { reference: referenceArg };
  static override flags = {
    ...registryFlags,
    target: string({
      char: 't',
      options: knownPlatforms.map(({ name }) => name),
      summary: 'Judge for this target alone.',
    }),
  };

  async run(): Promise<Diagnosis> {
    const { args, flags } = await this.parse(ImageDiagnose);
    const reference = parseRegistryImage(args.reference);
    const { registry, anonymous, credentials } = connectRegistry({
      ...registryOptions(this.io, this.config, flags['insecure-registry']),
      fallback: flyRegistryCredentials(this.io.env),
    });
    const credential = await credentials.find(reference.domain, reference.path);
    const targets = knownPlatforms.filter(({ name }) => flags.target === undefined || name === flags.target);
    const ports = {
      registry,
      anonymous,
      reader: new ShapeReader(registry),
      authenticated: credential !== undefined,
    };
    const found = await withSpinner(this.io, 'Asking as each kind of client asks', () =>
      diagnoseImage(reference, targets, ports, this.signal),
    );
    // It holds what servers said, who may have repeated what they were sent.
    const diagnosis = this.io.redactor.redactDocument({
      ...found,
      suggestions: found.suggestions.map((suggestion) => asCalled(this.io, suggestion)),
    });
    for (const line of diagnosisLines(diagnosis)) this.out(line);
    return diagnosis;
  }
}
