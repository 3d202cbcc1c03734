import { expect } from 'chai';
import type { DeployerError } from '../../src/lib/errors.js';
import { parseReference } from '../../src/oci/reference.js';
import { failureOf } from './failure.js';
import { startHostileServer, type Answer, type HostileServer, type Script } from './hostile-server.js';
import { connectForTest } from './registry-connection.js';

export interface FailedSearch {
  readonly error: DeployerError;
  /** It has ended, but tells what it was asked. */
  readonly server: HostileServer;
}

/**
 * A search in a registry that follows this script, and must fail: with a mend, and with nothing in its words that
 * could reach a terminal raw.
 * @param rest what is searched for there, `app:v1` unless told
 * @param timeoutMs for each answer
 */
export async function searchFails(
  script: Script | Answer,
  rest = 'app:v1',
  timeoutMs = 5000,
): Promise<FailedSearch> {
  await using server = await startHostileServer(typeof script === 'function' ? script : () => script);
  await using connection = await connectForTest({
    timeouts: { connectTimeoutMs: timeoutMs, headersTimeoutMs: timeoutMs, bodyTimeoutMs: timeoutMs },
  });
  const error = await failureOf(() => connection.search.find(parseReference(`${server.host}/${rest}`)));
  expect(error.suggestions, 'a mend').not.to.deep.equal([]);
  expect(JSON.stringify(error.toDocument())).not.to.contain('\\u001b');
  return { error, server };
}
