import { DeployerError } from '../../lib/errors.js';
import type { Digest } from '../../oci/digest.js';
import { formatReference, type Reference } from '../../oci/reference.js';
import type { TokenGrant } from '../../registry/token-grant.js';
import type { KnownPlatform } from '../capabilities.js';
import { explainMissing, isMissing, listTags } from '../missing-image.js';
import type { FoundImage } from '../search.js';
import { isKeptBack } from '../privacy.js';
import { verifyManifest, type StoredManifest } from '../stored-manifest.js';
import { askAsClients, type Asked, type ClientFinding, type ClientPorts } from './ask-as-clients.js';
import { readContents, type Contents, type ContentsPorts, type PartsReport } from './contents.js';
import {
  clockEvidence,
  rateLimitEvidence,
  tagEvidence,
  tokenEvidence,
  type ClockEvidence,
  type RateLimit,
  type TagEvidence,
  type TokenEvidence,
} from './evidence.js';
import { judge, type TargetFinding } from './judge.js';
import { refusalFor } from './refusal.js';
import { suggest } from './suggest.js';

/** The `--json` document of `deployer image diagnose`. */
export interface Diagnosis {
  readonly reference: string;
  readonly digest?: Digest;
  readonly clients: readonly ClientFinding[];
  readonly targets: readonly TargetFinding[];
  /** Commands that mend what was found, each with who it is for. */
  readonly suggestions: readonly string[];
  /** One for each token that was fetched; none where the registry asks for none. */
  readonly tokens: readonly TokenEvidence[];
  readonly clock?: ClockEvidence;
  readonly rateLimit?: RateLimit;
  /** When the image is missing. */
  readonly tags?: TagEvidence;
  /** When it is found. */
  readonly parts?: PartsReport;
}

/** The whole report, and the error that answers the question asked with no, if it does. */
export interface DiagnoseOutcome {
  readonly diagnosis: Diagnosis;
  readonly error?: DeployerError;
}

export interface DiagnoseRequest {
  readonly reference: Reference;
  readonly platforms: readonly KnownPlatform[];
  /** Whether this target can run it is the question; else, whether it is there. */
  readonly target?: string;
  /** Ask for every manifest, config and layer, and whether all of it is there. */
  readonly complete: boolean;
  readonly insecure: readonly string[];
}

export interface DiagnosePorts extends ClientPorts, ContentsPorts {
  /** What token servers have given until now. */
  readonly grants: readonly TokenGrant[];
}

/** More tags than these are not read to find the nearest: each page is a request. */
const TAG_PAGES = 10;

/**
 * Asks as each class of client asks, and says what each was told, which target can run what lies there, and what mends
 * it. Whatever a registry or a network answers is a finding; it throws only when called off.
 */
export async function diagnoseImage(
  request: DiagnoseRequest,
  ports: DiagnosePorts,
  signal?: AbortSignal,
): Promise<DiagnoseOutcome> {
  const { reference } = request;
  const asked = await askAsClients(reference, ports, signal);
  let stored: StoredManifest | undefined;
  try {
    stored = foundIn(asked, reference);
    const contents = await readContents({ reference, stored }, ports, request.complete, signal);
    return reportFound({ request, asked, found: { reference, stored }, contents }, ports);
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof DeployerError)) throw error;
    return await reportFailure({ request, asked, digest: stored?.digest, error }, ports, signal);
  }
}

function foundIn({ full }: Asked, reference: Reference): StoredManifest {
  if (full instanceof DeployerError) throw full;
  return verifyManifest(full, reference);
}

interface Found {
  readonly request: DiagnoseRequest;
  readonly asked: Asked;
  readonly found: FoundImage;
  readonly contents: Contents;
}

function reportFound({ request, asked, found, contents }: Found, ports: DiagnosePorts): DiagnoseOutcome {
  const { platforms, target, insecure } = request;
  const { shape, parts } = contents;
  const judged = platforms.filter(({ name }) => target === undefined || name === target);
  const verdicts = judged.map((platform) => judge(platform, found, contents, isPublic(asked)));
  const diagnosis: Diagnosis = {
    ...startOf(request, asked),
    digest: found.stored.digest,
    targets: verdicts.map(({ finding }) => finding),
    suggestions: suggest({ ...{ found, shape, verdicts, target, insecure }, clients: asked.clients }),
    ...evidenceOf(asked, ports),
    parts,
  };
  const error = refusalFor(diagnosis.reference, { verdicts, parts, target });
  return { diagnosis, ...(error === undefined ? {} : { error }) };
}

interface Failed {
  readonly request: DiagnoseRequest;
  readonly asked: Asked;
  /** There when it is what the image names that fails. */
  readonly digest: Digest | undefined;
  readonly error: DeployerError;
}

async function reportFailure(
  { request, asked, digest, error }: Failed,
  ports: DiagnosePorts,
  signal: AbortSignal | undefined,
): Promise<DiagnoseOutcome> {
  const { reference } = request;
  const tags = isMissing(error)
    ? await listTags(ports.registry, reference, { pages: TAG_PAGES, signal })
    : undefined;
  const explained = tags === undefined ? error : explainMissing(error, reference, tags);
  const diagnosis: Diagnosis = {
    ...startOf(request, asked),
    ...(digest === undefined ? {} : { digest }),
    targets: [],
    suggestions: explained.suggestions,
    ...evidenceOf(asked, ports),
    ...(tags === undefined ? {} : { tags: tagEvidence(tags, reference) }),
  };
  return { diagnosis, error: explained };
}

function startOf(
  { reference }: DiagnoseRequest,
  { clients }: Asked,
): Pick<Diagnosis, 'reference' | 'clients'> {
  return { reference: formatReference(reference), clients };
}

/** Undefined when who asked without credentials got no answer that tells. */
function isPublic({ clients }: Asked): boolean | undefined {
  const { status = 0, code = '' } = clients.find(({ name }) => name === 'anonymous') ?? {};
  if (status === 200) return true;
  return isKeptBack(status, code) ? false : undefined;
}

function evidenceOf(
  { full, at, answers }: Asked,
  { grants }: DiagnosePorts,
): Pick<Diagnosis, 'tokens' | 'clock' | 'rateLimit'> {
  const clock = full instanceof DeployerError ? undefined : clockEvidence(full, at);
  const rateLimit = rateLimitEvidence(answers);
  const registryNow = at + (clock?.skewSeconds ?? 0) * 1000;
  return {
    tokens: grants.map((grant) => tokenEvidence(grant, registryNow)),
    ...(clock === undefined ? {} : { clock }),
    ...(rateLimit === undefined ? {} : { rateLimit }),
  };
}
