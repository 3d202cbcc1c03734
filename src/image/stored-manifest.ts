import { DeployerError } from '../lib/errors.js';
import { cleanLine } from '../lib/text.js';
import { algorithmOf, digestOf, isDigest, type Digest } from '../oci/digest.js';
import type { Descriptor } from '../oci/descriptor.js';
import { parseManifest, schema1Unsupported, type ImageIndex, type ImageManifest } from '../oci/manifest.js';
import { isSchema1Type } from '../oci/media-types.js';
import { formatReference, type Reference } from '../oci/reference.js';
import { describeAccept, describeAnswer, type RegistryAnswer } from '../registry/answer.js';
import { refusalOf } from '../registry/refusal.js';

/** A manifest or index as it lies in the registry, its bytes hashed by us. */
export interface StoredManifest {
  readonly digest: Digest;
  readonly size: number;
  /** The exact bytes: what the digest covers. */
  readonly bytes: Buffer;
  readonly content: ImageIndex | ImageManifest;
}

/**
 * Believes a registry's answer only as far as its bytes go: they are hashed and compared with the digest that was
 * asked for and with the one the registry names.
 * @throws DeployerError what `refusalOf` finds, `digest_mismatch`, `schema1_unsupported`, `manifest_invalid`
 */
export function verifyManifest(answer: RegistryAnswer, reference: Reference): StoredManifest {
  if (answer.status !== 200 || answer.html) throw refusalOf(answer, reference);
  // Its digest would not fit: that covers the document without its signatures.
  if (isSchema1Type(answer.mediaType)) throw withEvidence(schema1Unsupported(), answer);
  const { bytes } = answer;
  const named = answer.headers['docker-content-digest'];
  const expected = reference.digest ?? (isDigest(named) ? named : undefined);
  const digest = digestOf(bytes, expected === undefined ? 'sha256' : algorithmOf(expected));
  if (expected !== undefined && digest !== expected) throw lyingDigest(answer, reference, expected, digest);
  return { digest, size: bytes.length, bytes, content: parse(answer) };
}

/**
 * What an index names is what it says of it: engines take it for nothing else.
 * @param holder where the index lies, as a person names it
 * @throws DeployerError `manifest_invalid`
 */
export function asDescribed(holder: string, entry: Descriptor, stored: StoredManifest): StoredManifest {
  const { size, content } = stored;
  if (size === entry.size && content.mediaType === entry.mediaType.toLowerCase()) return stored;
  throw new DeployerError('manifest_invalid', `${holder}: an index says what is not so of ${entry.digest}`, {
    evidence: [
      `the index: ${cleanLine(entry.mediaType, 100)}, ${entry.size} bytes`,
      `the manifest: ${content.mediaType}, ${size} bytes`,
    ],
    suggestions: ['push or build the image again: engines refuse this one'],
  });
}

function parse(answer: RegistryAnswer): ImageIndex | ImageManifest {
  try {
    return parseManifest(answer.bytes, answer.mediaType);
  } catch (error) {
    throw error instanceof DeployerError ? withEvidence(error, answer) : error;
  }
}

/** What is wrong with a document says the parser; where it came from is known here. */
function withEvidence(error: DeployerError, answer: RegistryAnswer): DeployerError {
  const { code, message, suggestions } = error;
  const evidence = [
    `${describeAnswer(answer)}, Content-Type: ${cleanLine(answer.mediaType, 100) || 'none'}`,
    `asked with: ${describeAccept(answer.accept)}`,
  ];
  return new DeployerError(code, message, { cause: error, evidence, suggestions });
}

function lyingDigest(
  answer: RegistryAnswer,
  reference: Reference,
  expected: Digest,
  actual: Digest,
): DeployerError {
  const by = reference.digest === undefined ? 'the registry names' : 'was asked for';
  return new DeployerError(
    'digest_mismatch',
    `what ${reference.domain} sent for ${formatReference(reference)} is not what its digest says`,
    {
      evidence: [
        describeAnswer(answer),
        `the digest that ${by}: ${expected}`,
        `the digest of the bytes: ${actual}`,
      ],
      suggestions: [
        'do not use this image: something between here and the registry changes or confuses content',
        'a caching proxy or mirror is the usual cause: ask the registry directly (NO_PROXY)',
      ],
    },
  );
}
