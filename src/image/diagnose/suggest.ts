import { formOf, mediaTypeIn, type ImageForm } from '../../oci/image-form.js';
import { readIndex } from '../../oci/image-index.js';
import { formatPlatform } from '../../oci/platform.js';
import { formatReference, repositoryOf } from '../../oci/reference.js';
import type { Adaptation } from '../adapt.js';
import type { FoundImage } from '../search.js';
import type { ImageShape, PlatformImage } from '../shape.js';
import type { ClientFinding } from './ask-as-clients.js';
import type { Verdict } from './judge.js';

export interface SuggestionInputs {
  readonly found: FoundImage;
  readonly shape: ImageShape;
  readonly clients: readonly ClientFinding[];
  readonly verdicts: readonly Verdict[];
  /** The one target that was asked for: what mends others, or clients, is not said. */
  readonly target?: string | undefined;
  /** Registries that the commands must name as spoken to over plain http. */
  readonly insecure: readonly string[];
}

/** The commands that mend what was found, each with who it is for: `for heroku: deployer image convert ...`. Pure. */
export function suggest(inputs: SuggestionInputs): string[] {
  const whom = new Map<string, string[]>();
  const add = (who: string, command: string | undefined): void => {
    if (command !== undefined) whom.set(command, [...(whom.get(command) ?? []), who]);
  };
  const isHidden = inputs.clients.some(({ name, found }) => name === 'docker-only' && !found);
  if (isHidden) {
    for (const { platform, finding } of inputs.verdicts) {
      if (finding.runs && platform.deploys === true) add(platform.name, deploy(inputs));
    }
  }
  if (isHidden && inputs.target === undefined) {
    const old = 'clients of before 2023';
    add(old, convertTo('docker', inputs, undefined, `${taggedName(inputs)}-docker`));
    add(old, buildWithoutAttestation(inputs));
  }
  for (const verdict of inputs.verdicts) add(verdict.platform.name, commandFor(verdict, inputs));
  return [...whom].map(([command, names]) => `for ${names.join(', ')}: ${command}`);
}

function commandFor(verdict: Verdict, inputs: SuggestionInputs): string | undefined {
  const { platform, finding, decision, broken } = verdict;
  if (finding.adaptation === 'none') return undefined;
  if (decision.action === 'refuse') return rebuildFor(verdict, decision, inputs);
  if (broken.length > 0 || decision.action === 'rebuild') return build(inputs, decision.platform);
  const { repository, deploys, capabilities } = platform;
  const elsewhere =
    decision.copy !== undefined && repository !== undefined ? `${repository}:${tagOf(inputs)}` : undefined;
  const isPinned = inputs.shape.kind === 'index' && (!capabilities.index || decision.action === 'pin');
  const pin = isPinned ? decision.platform : undefined;
  if (decision.action === 'convert') {
    const to = capabilities.oci ? 'oci' : 'docker';
    const command = convertTo(to, inputs, pin, elsewhere ?? `${taggedName(inputs)}-${to}`);
    return command ?? build(inputs, decision.platform);
  }
  if (elsewhere !== undefined) return copy(inputs, elsewhere, pin);
  if (deploys === true) return deploy(inputs);
  return copy(inputs, `${taggedName(inputs)}-${formatPlatform(pin ?? UNNAMED).replaceAll('/', '-')}`, pin);
}

const UNNAMED = { os: 'linux', architecture: 'amd64' } as const;

type Platform = PlatformImage['platform'];

function rebuildFor(
  { platform }: Verdict,
  { why }: Adaptation & { action: 'refuse' },
  inputs: SuggestionInputs,
): string | undefined {
  // What is no container image becomes none by building it for another platform.
  return why === 'platform' ? build(inputs, platform.capabilities.platforms[0]) : undefined;
}

function deploy(inputs: SuggestionInputs): string {
  const { reference, stored } = inputs.found;
  return `deployer deploy --image ${repositoryOf(reference)}@${stored.digest} --app APP${flags(inputs)}`;
}

function copy(inputs: SuggestionInputs, destination: string, platform: Platform): string {
  const parts = ['deployer image copy', formatReference(inputs.found.reference), destination];
  return [...parts, ...words(platformFlag(platform))].join(' ') + flags(inputs);
}

/** @param platform the only one that is wanted; undefined: all there are */
function convertTo(
  to: ImageForm,
  inputs: SuggestionInputs,
  platform: Platform,
  destination: string,
): string | undefined {
  const { shape, found } = inputs;
  const images = shape.images.filter((image) => platform === undefined || image.platform === platform);
  if (images.length === 0 || !images.every((image) => isConvertible(image, to))) return undefined;
  if (platform === undefined && holdsMore(found)) return undefined;
  const strip = platform === undefined && shape.attestations.length > 0 ? '--strip-attestations' : '';
  const parts = ['deployer image convert', formatReference(found.reference), destination, '--to', to];
  return [...parts, ...words(platformFlag(platform)), ...words(strip)].join(' ') + flags(inputs);
}

/** As `convertImage` would decide: whether everything has a name in the other form. */
function isConvertible({ mediaType, manifest }: PlatformImage, to: ImageForm): boolean {
  if (manifest === undefined || (manifest.subject !== undefined && formOf(mediaType) !== to)) return false;
  return [mediaType, manifest.config.mediaType, ...manifest.layers.map((layer) => layer.mediaType)].every(
    (type) => formOf(type) === to || mediaTypeIn(to, type) !== undefined,
  );
}

/** Artifacts in the index, which have no other form. */
function holdsMore({ stored }: FoundImage): boolean {
  return stored.content.kind === 'index' && readIndex(stored.content).other.length > 0;
}

/** Only of one platform: several would be a list, which such clients may not know either. */
function buildWithoutAttestation(inputs: SuggestionInputs): string | undefined {
  const { kind, images, attestations } = inputs.shape;
  const [image, ...others] = images;
  if (kind === 'manifest' || image === undefined || others.length > 0 || attestations.length === 0) {
    return undefined;
  }
  return build(inputs, image.platform);
}

/** Our own build of one platform is a single Docker manifest with gzip layers, without an attestation. */
function build(inputs: SuggestionInputs, platform: Platform): string {
  const parts = ['deployer build . --tag', taggedName(inputs), ...words(platformFlag(platform)), '--push'];
  return parts.join(' ') + flags(inputs);
}

function platformFlag(platform: Platform): string {
  return platform === undefined ? '' : `--platform ${formatPlatform(platform)}`;
}

function flags({ insecure }: SuggestionInputs): string {
  return insecure.map((host) => ` --insecure-registry ${host}`).join('');
}

/** A name that can be pushed to: one with a tag, and without a digest. */
function taggedName(inputs: SuggestionInputs): string {
  return `${repositoryOf(inputs.found.reference)}:${tagOf(inputs)}`;
}

function tagOf({ found }: SuggestionInputs): string {
  const { tag, digest } = found.reference;
  return tag ?? (digest === undefined ? 'latest' : digest.slice('sha256:'.length, 'sha256:'.length + 12));
}

function words(text: string): string[] {
  return text === '' ? [] : [text];
}
