import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { buildSource } from '../../src/config/build-source.js';
import { loadConfig } from '../../src/config/load-config.js';
import { deploy } from '../../src/deploy/deploy.js';
import type { PlanStep } from '../../src/deploy/plan.js';
import type { DeployResult } from '../../src/deploy/result.js';
import { connectEngine } from '../../src/engine/connect.js';
import { Engine } from '../../src/engine/engine.js';
import { systemClock as clock } from '../../src/lib/clock.js';
import { flyCapabilities } from '../../src/targets/fly/capabilities.js';
import { FlyTarget } from '../../src/targets/fly/fly-target.js';
import { connectForTest } from './registry-connection.js';
import type { Stage } from './stage.js';

/** The one target there is, were its platform one that takes no index, as Lambda is. */
class IndexlessTarget extends FlyTarget {
  override readonly capabilities = { ...flyCapabilities, index: false, attestation: false };
}

export interface IndexlessDeploy {
  readonly image: string;
  /** What it is built from when it is missing; nothing unless told. */
  readonly context?: string;
  readonly build?: 'missing' | 'always';
  readonly provenance?: 'auto' | 'min';
  readonly dockerHost: string;
}

/**
 * `deployer deploy` in the stage's folder, with everything as the command connects it, to a target that takes no
 * index: of those that `deploy` hands images to, there is none.
 * @returns the result, and how the image is adapted, by each of its plans: with a build there are two
 */
export async function deployToIndexless(
  { folder, platform: { emulator } }: Stage,
  { image, context, build = 'missing', provenance = 'auto', dockerHost }: IndexlessDeploy,
): Promise<{ readonly result: DeployResult; readonly adaptations: readonly (PlanStep | undefined)[] }> {
  const env = { DOCKER_HOST: dockerHost };
  await using connection = await connectForTest();
  const { http, registry, search, ...privacy } = connection;
  const { config, warnings } = await loadConfig({ flags: { image }, env, cwd: folder });
  const source = await buildSource(
    context,
    { build, 'no-cache': false, provenance },
    { config: config.build, env, stdin: process.stdin },
  );
  const adaptations: (PlanStep | undefined)[] = [];
  const deployed = await deploy(
    {
      ...{ config, image, warnings, accept: 'all', releaseId: randomUUID(), lockWaitMs: 0 },
      build: { when: build, ...(source && { source: { ...source, cacheFrom: [], cacheTo: [] } }) },
      ...{ rollback: true, detach: false, dryRun: false },
    },
    {
      target: new IndexlessTarget({
        ...{ http, clock, apiUrl: emulator.apiUrl, authorization: `Bearer ${emulator.token}` },
      }),
      ...{ registry, search, privacy, clock, tempFolder: tmpdir(), signal: AbortSignal.timeout(60_000) },
      building: {
        ...{ env, keepSecret: () => undefined },
        connectEngine: async () => {
          const { docker } = await connectEngine({ env, home: folder, podman: false });
          return { engine: new Engine(docker), address: dockerHost };
        },
      },
      sink: (event) => {
        if (event.type === 'plan') adaptations.push(event.plan.steps[0]);
      },
    },
  );
  if ('plan' in deployed) throw new Error('that was no dry run');
  if (deployed.error !== undefined) throw deployed.error;
  return { result: deployed.result, adaptations };
}
