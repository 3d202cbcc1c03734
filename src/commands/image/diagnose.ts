import { boolean, string } from '@oclif/core/flags';
import { referenceArg } from '../../cli/args.js';
import { BaseCommand } from '../../cli/base-command.js';
import { registryFlags } from '../../cli/registry-flags.js';
import { registryOptions } from '../../cli/registry-options.js';
import { diagnoseImage, type Diagnosis } from '../../image/diagnose/diagnose.js';
import { parseRegistryImage } from '../../image/location.js';
import { ShapeReader } from '../../image/shape.js';
import { DeployerError } from '../../lib/errors.js';
import { systemClock } from '../../lib/clock.js';
import { connectRegistry } from '../../registry/connect.js';
import type { TokenGrant } from '../../registry/token-grant.js';
import { flyRegistryCredentials } from '../../targets/fly/registry-credentials.js';
import { knownPlatforms, platformsIn } from '../../targets/known-platforms.js';
import { diagnosisLines } from '../../ui/diagnosis-text.js';
import { asCalled } from '../../ui/program-name.js';
import { withSpinner } from '../../ui/spinner.js';

export default class ImageDiagnose extends BaseCommand {
  static override summary = 'Ask for an image as each kind of client asks, and say who can find and run it.';
  static override description = [
    "The report is printed in full whatever comes out. Exit codes: 0 the image is there (with --target: and that target can run it, perhaps after what the report suggests), 2 usage, 3 it is missing, 4 not authorised, 5 the target can't run it or a part of it is missing, 12 network or service unavailable, 130 interrupted.",
    'The manifest is asked for about ten times, and that of each platform once: Docker Hub counts every GET as a pull.',
  ].join('\n\n');
  static override examples = [
    '<%= config.bin %> image diagnose registry.fly.io/example:v1',
    '<%= config.bin %> image diagnose ghcr.io/team/app:v1 --target lambda',
    '<%= config.bin %> image diagnose registry.example.com/app:v1 --complete',
  ];
  static override args = { reference: referenceArg };
  static override flags = {
    ...registryFlags,
    target: string({
      char: 't',
      options: knownPlatforms.map(({ name }) => name),
      summary: "Judge for this target alone; exit 5 when it can't run the image.",
    }),
    complete: boolean({
      default: false,
      summary:
        'Also ask (HEAD) for every config and layer, each once, and for attestations; exit 5 when one is missing.',
    }),
  };

  async run(): Promise<Diagnosis> {
    const { args, flags } = await this.parse(ImageDiagnose);
    this.images = [args.reference];
    const reference = parseRegistryImage(args.reference);
    const insecure = flags['insecure-registry'] ?? [];
    const grants: TokenGrant[] = [];
    const { registry, anonymous, credentials } = connectRegistry({
      ...registryOptions(this.io, this.config, insecure),
      fallback: flyRegistryCredentials(this.io.env),
      onToken: (grant) => grants.push(grant),
    });
    const credential = await credentials.find(reference.domain, reference.path);
    const ports = {
      ...{ registry, anonymous, grants, clock: systemClock, reader: new ShapeReader(registry) },
      authenticated: credential !== undefined,
    };
    const { target, complete } = flags;
    const request = { reference, platforms: platformsIn(this.io.env), complete, insecure };
    const { diagnosis: found, error } = await withSpinner(this.io, 'Asking as each kind of client asks', () =>
      diagnoseImage({ ...request, ...(target === undefined ? {} : { target }) }, ports, this.signal),
    );
    // It holds what servers said, who may have repeated what they were sent.
    const diagnosis = this.io.redactor.redactDocument({
      ...found,
      suggestions: found.suggestions.map((suggestion) => asCalled(this.io, suggestion)),
    });
    for (const line of diagnosisLines(diagnosis)) this.out(line);
    if (error === undefined) return diagnosis;
    const { code, message, evidence, cause } = error;
    // For a person the suggestions stand in the report already.
    const suggestions = this.io.json ? diagnosis.suggestions : [];
    throw new DeployerError(code, message, { evidence, suggestions, cause, details: { ...diagnosis } });
  }
}
