import { diagnoseImage, type DiagnoseOutcome, type Diagnosis } from '../../src/image/diagnose/diagnose.js';
import type { KnownPlatform } from '../../src/image/capabilities.js';
import { systemClock, type Clock } from '../../src/lib/clock.js';
import { parseReference } from '../../src/oci/reference.js';
import type { TokenGrant } from '../../src/registry/token-grant.js';
import { knownPlatforms } from '../../src/targets/known-platforms.js';
import { connectForTest } from './registry-connection.js';

export interface DiagnoseOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly target?: string;
  readonly complete?: boolean;
  /** All that are known unless told. */
  readonly platforms?: readonly KnownPlatform[];
  /** What this machine's clock says; the real time unless told. */
  readonly clock?: Pick<Clock, 'now'>;
  readonly signal?: AbortSignal;
}

/** Diagnoses an image as the command does: the report, and the error by which it ends. */
export async function diagnoseFully(name: string, options: DiagnoseOptions = {}): Promise<DiagnoseOutcome> {
  const { env = {}, target, complete = false, clock = systemClock, signal } = options;
  const { platforms = knownPlatforms } = options;
  const grants: TokenGrant[] = [];
  await using connection = await connectForTest({ env, onToken: (grant) => grants.push(grant) });
  const reference = parseReference(name);
  const credential = await connection.credentials.find(reference.domain, reference.path);
  const { registry, anonymous, reader } = connection;
  return await diagnoseImage(
    {
      ...{ reference, platforms, complete, insecure: [] },
      ...(target === undefined ? {} : { target }),
    },
    {
      ...{ registry, anonymous, reader, grants, authenticated: credential !== undefined },
      clock: { ...systemClock, now: () => clock.now() },
    },
    signal,
  );
}

/** The report alone. */
export async function diagnose(name: string, options: DiagnoseOptions = {}): Promise<Diagnosis> {
  return (await diagnoseFully(name, options)).diagnosis;
}
