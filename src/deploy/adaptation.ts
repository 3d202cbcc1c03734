import type { DeployConfig } from '../config/deploy-config.js';
import { adapt, type Adaptation } from '../image/adapt.js';
import type { ImageShape } from '../image/shape.js';
import type { StoredManifest } from '../image/stored-manifest.js';
import { DeployerError } from '../lib/errors.js';
import { shortDigest, type Digest } from '../oci/digest.js';
import { formatPlatform } from '../oci/platform.js';
import type { Reference } from '../oci/reference.js';
import type { Target } from '../targets/target.js';
import type { TargetPlatform } from './asked-platform.js';

/** What was read before it is decided what must be done to the image. */
export interface AdaptationInputs {
  readonly config: DeployConfig;
  readonly requested: string;
  readonly found: {
    /** Undefined when it lies in no registry. */
    readonly reference?: Reference;
    readonly stored: Pick<StoredManifest, 'digest'>;
    /** Its registry gives it to those alone who are logged in there. */
    readonly isPrivate: boolean;
  };
  readonly shape: ImageShape;
  /** As the user asks for it. */
  readonly platform?: TargetPlatform | undefined;
}

/** What must be done to the image, and what for. */
export type Adapted = Exclude<Adaptation, { action: 'refuse' }> & {
  readonly action: 'none' | 'pin' | 'convert';
  /** Where it is put, when the target can't pull it, or not in its present form, from where it lies. */
  readonly to?: Pick<Reference, 'domain' | 'path'>;
};

/**
 * Decides what must happen to the image before the target can run it. Pure.
 * @throws DeployerError `platform_not_found`, `image_incompatible` or `image_source_unsupported`, with the mend
 */
export function decideAdaptation(
  target: Pick<Target, 'name' | 'capabilities' | 'repositoryFor'>,
  inputs: AdaptationInputs,
): Adapted {
  const { found, shape, platform, requested, config } = inputs;
  const decision = adapt({
    digest: found.stored.digest,
    domain: found.reference?.domain,
    isPrivate: found.isPrivate,
    shape,
    target: target.name,
    capabilities: target.capabilities,
    ...(platform === undefined ? {} : { platform }),
  });
  if (decision.action === 'refuse') throw refused(decision, requested, found.reference !== undefined);
  if (decision.action === 'rebuild') throw incompatible(target, inputs, decision.reason);
  const { action, copy } = decision;
  if (copy === undefined && action !== 'convert') return { ...decision, action };
  const own = target.repositoryFor?.(config.app);
  if (own !== undefined && 'domain' in own) return { ...decision, action, to: own };
  if (found.reference !== undefined)
    throw incompatible(target, inputs, copy ?? decision.reason, own?.missing);
  throw new DeployerError(
    'image_source_unsupported',
    `"${requested}" lies in no registry, and where ${target.name} could pull it from is not known`,
    {
      suggestions: [
        ...(own === undefined ? [] : [own.missing]),
        `put it into a registry first: deployer image copy ${requested} REGISTRY/NAME:TAG`,
      ],
    },
  );
}

/** The plan's line on it. */
export function describeAdaptation(adapted: Adapted, repository: string, digest: Digest): string {
  const { action, reason, copy, to } = adapted;
  const platform = adapted.platform === undefined ? 'its manifest' : formatPlatform(adapted.platform);
  const what = { none: 'none needed', pin: `pinned to ${platform}`, convert: `${platform} converted` }[
    action
  ];
  const copied = to === undefined ? [] : [`copied to ${repository}${copy === undefined ? '' : `: ${copy}`}`];
  return [`${what}: ${reason}`, ...copied, `deployed as ${repository}@${shortDigest(digest)}`].join('; ');
}

function incompatible(
  { name, capabilities }: Pick<Target, 'name' | 'capabilities'>,
  { requested, config }: Pick<AdaptationInputs, 'requested' | 'config'>,
  reason: string,
  missing?: string,
): DeployerError {
  return new DeployerError('image_incompatible', `${name} can't run ${requested} as it is: ${reason}`, {
    evidence: [capabilities.note],
    suggestions: [
      ...(missing === undefined ? [] : [missing]),
      `build it again in a form that ${name} runs: deployer deploy . --image ${requested}${config.appFlags} --build always`,
      `see what each target needs: deployer image diagnose ${requested}`,
    ],
  });
}

function refused(
  { why, reason }: Adaptation & { action: 'refuse' },
  requested: string,
  isRemote: boolean,
): DeployerError {
  const build = `deployer build . --tag ${isRemote ? requested : 'REGISTRY/NAME:TAG'} --platform linux/amd64 --push`;
  const look = isRemote
    ? `see what it is: deployer image inspect ${requested}`
    : 'check which image the file holds: oci:DIR:TAG, docker-archive:FILE:NAME';
  return new DeployerError(
    why === 'platform' ? 'platform_not_found' : 'image_incompatible',
    `${requested} was found, but can't run there: ${reason}`,
    { suggestions: [why === 'platform' ? `build it for the platform: ${build}` : look] },
  );
}
