import { adapt, type Adaptation } from '../adapt.js';
import { isRegistryOf, type Capabilities, type KnownPlatform } from '../capabilities.js';
import type { FoundImage } from '../search.js';
import { problemsOf, type Contents, type PartProblem } from './contents.js';

export interface TargetFinding {
  readonly name: string;
  /** As it is, where it is. */
  readonly runs: boolean;
  readonly adaptation: 'none' | 'pin' | 'convert' | 'copy' | 'rebuild';
  readonly reason: string;
  /** With whose rights it is pulled: the platform's own, those of anyone, or credentials that it must be given. */
  readonly pullsWith: 'own-access' | 'anonymous' | 'credentials';
}

/** A finding with the decision behind it, from which suggestions are made. */
export interface Verdict {
  readonly platform: KnownPlatform;
  readonly finding: TargetFinding;
  readonly decision: Adaptation;
  /** What keeps the image from running there although its form fits. */
  readonly broken: readonly PartProblem[];
}

/**
 * Judges what lies there for one platform. Pure.
 * @param isPublic whether anyone may pull it; undefined when that is not known
 */
export function judge(
  platform: KnownPlatform,
  found: FoundImage,
  { shape, parts }: Contents,
  isPublic: boolean | undefined,
): Verdict {
  const { name, capabilities } = platform;
  const { domain } = found.reference;
  const decision = adapt({
    digest: found.stored.digest,
    ...{ domain, shape, target: name, capabilities },
    ...(isPublic === undefined ? {} : { isPrivate: !isPublic }),
  });
  const pullsWith = rightsOf(capabilities, domain, decision, isPublic);
  const say = (
    runs: boolean,
    adaptation: TargetFinding['adaptation'],
    reason: string,
    broken: readonly PartProblem[] = [],
  ): Verdict => ({
    ...{ platform, decision, broken },
    finding: { name, runs, adaptation, reason: `${reason} (${capabilities.note})`, pullsWith },
  });

  if (decision.action === 'refuse') return say(false, 'rebuild', decision.reason);
  const image = shape.images.find(({ digest }) => digest === decision.image);
  const broken = image === undefined ? [] : problemsOf(parts, image);
  const [first] = broken;
  if (first !== undefined)
    return say(false, 'rebuild', `its ${first.kind} ${first.digest} is ${first.state}`, broken);

  const { action, copy, reason } = decision;
  const isAsIs = action === 'none';
  if (copy !== undefined) {
    return say(false, isAsIs ? 'copy' : action, isAsIs ? copy : `${reason}; ${copy}`);
  }
  const access =
    isPublic === false && capabilities.pull !== undefined ? `; private: ${capabilities.pull.how}` : '';
  return say(isAsIs, action, `${reason}${access}`);
}

function rightsOf(
  { pull }: Capabilities,
  domain: string,
  decision: Adaptation,
  isPublic: boolean | undefined,
): TargetFinding['pullsWith'] {
  // What has to be copied is pulled from the platform's own registry afterwards.
  const isCopied = decision.action !== 'refuse' && decision.copy !== undefined;
  if (pull !== undefined && (isCopied || isRegistryOf(pull.own, domain))) return 'own-access';
  return isPublic === true || pull?.elsewhere === 'anonymous' ? 'anonymous' : 'credentials';
}
