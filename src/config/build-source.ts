import { join } from 'node:path';
import { DeployerError } from '../lib/errors.js';
import { contextAt, dockerfileAt } from './build-files.js';
import { readBuildFlags, type BuildFlagValues, type FlagSettings } from './build-settings.js';
import type { BuildConfig } from './deploy-config.js';

interface DeployBuildFlags extends BuildFlagValues {
  readonly build: string;
  readonly dockerfile?: string | undefined;
  readonly 'cache-from'?: readonly string[] | undefined;
  readonly 'cache-to'?: readonly string[] | undefined;
}

export interface BuildSurroundings {
  /** What the file says. */
  readonly config: BuildConfig | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: AsyncIterable<Uint8Array>;
}

interface NamedSource extends FlagSettings {
  /** What on the command line asks for a build: `CONTEXT`, `--build-arg`. */
  readonly named: readonly string[];
  readonly context: string;
  readonly dockerfile: { readonly name: string; readonly read: () => ReturnType<typeof dockerfileAt> };
  readonly configuredProvenance?: 'off' | 'min' | 'max';
  /** Where the file asks for it, and no flag for another: `fly.toml:6: build.provenance`. */
  readonly provenanceFrom?: string;
}

const CALL = 'deployer deploy . --image REF';

/**
 * What a deploy builds from: CONTEXT, else the folder of the file that names a Dockerfile. With `--build always` there
 * is always something: the working directory. The Dockerfile itself is looked at when there is something to build.
 * @returns undefined where nothing is named, or nothing may be built
 * @throws DeployerError `usage`, also for build flags that could have no effect
 */
export async function buildSource(
  named: string | undefined,
  flags: DeployBuildFlags,
  { config, env, stdin }: BuildSurroundings,
): Promise<NamedSource | undefined> {
  const given = flagsGiven(flags);
  if (flags.build === 'never') {
    if (given.length === 0) return undefined;
    throw noEffect(given, '--build never builds nothing', 'leave out one or the other');
  }
  const configured = config?.dockerfile === undefined ? undefined : config.folder;
  const context = named ?? configured ?? (flags.build === 'always' ? '.' : undefined);
  if (context === undefined) {
    if (given.length === 0) return undefined;
    throw noEffect(given, 'there is nothing to build from', `name the folder: ${CALL}`);
  }
  const dockerfile = flags.dockerfile ?? config?.dockerfile ?? join(context, 'Dockerfile');
  const from = flags.dockerfile === undefined ? config?.sources.dockerfile : undefined;
  const configuredProvenance = config?.provenance;
  const provenanceFrom = flags.provenance === 'auto' ? config?.sources.provenance : undefined;
  return {
    ...readBuildFlags(flags, env, CALL, config),
    named: [...(named === undefined ? [] : ['CONTEXT']), ...given],
    context: await contextAt(context, CALL),
    dockerfile: {
      name: dockerfile === '-' ? 'the Dockerfile from stdin' : dockerfile,
      read: () => dockerfileAt(dockerfile, stdin, from),
    },
    ...(configuredProvenance === undefined ? {} : { configuredProvenance }),
    ...(provenanceFrom === undefined ? {} : { provenanceFrom }),
  };
}

/** Those without which an image is built as it is by default. */
function flagsGiven(flags: DeployBuildFlags): string[] {
  const names = [
    ...(['dockerfile', 'build-arg', 'build-secret', 'build-target', 'label'] as const),
    ...(['cache-from', 'cache-to', 'ssh'] as const),
  ];
  return [
    ...names.filter((name) => flags[name] !== undefined),
    ...(['no-cache', 'direct-push'] as const).filter((name) => flags[name] === true),
    ...(flags.provenance === 'auto' ? [] : ['provenance']),
  ].map((name) => `--${name}`);
}

function noEffect(given: readonly string[], why: string, suggestion: string): DeployerError {
  return new DeployerError('usage', `${given.join(', ')}: ${why}`, { suggestions: [suggestion] });
}
