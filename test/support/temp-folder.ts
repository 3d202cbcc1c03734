import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What every folder of this test process starts with, so that what it left behind can be told. */
export const TEMP_PREFIX = `deployer-test-${process.pid}-`;

export interface TempFolder extends AsyncDisposable {
  readonly path: string;
  remove(): Promise<void>;
}

/** A new empty folder under the system's temp folder. Remove it, or let `await using` do it. */
export async function makeTempFolder(name = 'work'): Promise<TempFolder> {
  const path = await mkdtemp(join(tmpdir(), `${TEMP_PREFIX}${name}-`));
  const remove = (): Promise<void> => rm(path, { recursive: true, force: true, maxRetries: 3 });
  return { path, remove, [Symbol.asyncDispose]: remove };
}
