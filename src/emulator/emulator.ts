import { randomBytes } from 'node:crypto';
import { access, constants, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { systemClock, type Clock } from '../lib/clock.js';
import { DeployerError, messageOf } from '../lib/errors.js';
import { makeFolder } from '../lib/make-folder.js';
import { imageLookup } from './image-lookup.js';
import { MachinesServer } from './machines/api/server.js';
import { Faults, type Fault } from './machines/faults.js';
import { Platform, type PlatformPorts } from './machines/platform.js';
import { StateFile } from './machines/state-file.js';
import { DurableFiles, hasCode, ifThere } from './registry/durable-files.js';
import { startRegistry } from './registry/server.js';
import { chooseRuntime } from './runtime/choose-runtime.js';
import type { RuntimeChoice } from './runtime/runtime.js';

export interface EmulatorOptions {
  /** Made when it is not there; what an emulator before left in it is taken up. */
  readonly dataDir: string;
  /** Who chose it, for errors; `--data-dir` unless told. */
  readonly dataDirFrom?: string;
  /** 0: any free port. */
  readonly registryPort: number;
  /** 0: any free port. */
  readonly apiPort: number;
  readonly runtime: RuntimeChoice;
  /** The registry answers indexes as docker-registry 2.8 does. */
  readonly legacyAccept: boolean;
  /** Read for DOCKER_HOST alone. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The API's token; else the one in the data folder's token file, else a new one. */
  readonly token?: string;
  /** Failures to begin with; more can be scripted over the API (see `Faults`). */
  readonly faults?: readonly Fault[];
  /** Fly's rate limits; on unless told. */
  readonly rateLimits?: boolean;
  readonly clock?: Clock;
  /** Is given a line for what befalls the machines. */
  readonly log?: (line: string) => void;
  /** Is given a line for each request to the registry. */
  readonly logRequests?: (line: string) => void;
}

export interface RunningEmulator {
  /** `localhost:5001` */
  readonly registry: string;
  /** `http://127.0.0.1:4280`; the API's paths begin with /v1 */
  readonly apiUrl: string;
  readonly token: string;
  /** Where the token lies, readable by its owner alone. */
  readonly tokenFile: string;
  readonly runtime: 'docker' | 'none';
  /** The runtime for a person: which engine, or why none. */
  readonly runtimeDescription: string;
  /** Removes the containers that an emulator leaves that could not close; undefined where there are none. */
  readonly cleanUpCommand: string | undefined;
  /** Stops every machine's container and both servers. The data folder keeps the state. */
  close(): Promise<void>;
}

/**
 * The embedded platform, on loopback: an OCI registry and Fly's Machines API, kept in one data folder.
 * @throws DeployerError `usage` (a port or the folder can't be had), `engine_unavailable`
 */
export async function startEmulator(options: EmulatorOptions): Promise<RunningEmulator> {
  const { clock = systemClock, log = () => undefined } = options;
  const dataDir = resolve(options.dataDir);
  await makeDataDir(dataDir, options.dataDirFrom ?? '--data-dir');
  const opened: (() => Promise<void>)[] = [];
  try {
    const makeRuntime = await chooseRuntime(options.runtime, {
      env: options.env,
      home: options.env['HOME'] ?? homedir(),
    });
    const registry = await startRegistry({
      dataDir: join(dataDir, 'registry'),
      port: options.registryPort,
      legacyAccept: options.legacyAccept,
      ...(options.logRequests === undefined ? {} : { log: options.logRequests }),
    }).catch((error: unknown) => Promise.reject(portTaken(error, '--registry-port', options.registryPort)));
    opened.push(() => registry.close());
    // After the registry, whose lock keeps the folder for this process alone.
    const tokenFile = join(dataDir, 'token');
    const token = await settleToken(tokenFile, options.token);
    const stateFile = new StateFile(join(dataDir, 'machines'), (error) =>
      log(`the machines' state was not written: ${messageOf(error)}`),
    );
    const makePorts = (emulatorId: string): Omit<PlatformPorts, 'stateFile'> => ({
      runtime: makeRuntime(emulatorId),
      clock,
      faults: new Faults(options.faults),
      log,
      lookUpImage: imageLookup(registry.port),
    });
    const platform = await Platform.open(makePorts, stateFile);
    opened.push(() => platform.close());
    const server = new MachinesServer(platform, { token, rateLimits: options.rateLimits ?? true });
    const apiPort = await server
      .listen(options.apiPort)
      .catch((error: unknown) => Promise.reject(portTaken(error, '--api-port', options.apiPort)));
    opened.push(() => server.close());
    const { runtime } = platform.ports;
    return {
      registry: `localhost:${registry.port}`,
      apiUrl: `http://127.0.0.1:${apiPort}`,
      token,
      tokenFile,
      runtime: runtime.name,
      runtimeDescription: runtime.description,
      cleanUpCommand: runtime.cleanUpCommand,
      close: () => closeAll(opened),
    };
  } catch (error) {
    await closeAll(opened);
    throw error;
  }
}

// Environments of machines may hold secrets: the folder is its owner's alone.
async function makeDataDir(path: string, from: string): Promise<void> {
  try {
    await makeFolder(path, 0o700);
    await access(path, constants.W_OK);
  } catch (error) {
    throw new DeployerError('usage', `${from} ${path}: can't be used: ${messageOf(error)}`, {
      suggestions: ['name a folder that you may write to: --data-dir DIR'],
      cause: error,
    });
  }
}

// The last first; one that fails does not keep the others open.
async function closeAll(opened: (() => Promise<void>)[]): Promise<void> {
  const close = opened.pop();
  if (close === undefined) return;
  try {
    await close();
  } finally {
    await closeAll(opened);
  }
}

async function settleToken(file: string, given: string | undefined): Promise<string> {
  if (given !== undefined && !/^[\x21-\x7e]+$/.test(given)) {
    throw new DeployerError(
      'usage',
      'DEPLOYER_EMULATOR_TOKEN: a token is of printable characters, without blanks',
    );
  }
  const kept = (await ifThere(readFile(file, 'utf8')))?.trim();
  const token = given ?? (kept !== undefined && kept !== '' ? kept : randomBytes(24).toString('base64url'));
  await new DurableFiles(join(file, '..')).write(file, `${token}\n`, 0o600);
  return token;
}

function portTaken(error: unknown, flag: string, port: number): unknown {
  const cause = error instanceof DeployerError ? error.cause : error;
  if (!hasCode(cause, 'EADDRINUSE') && !hasCode(cause, 'EACCES')) return error;
  const why = hasCode(cause, 'EACCES') ? 'may not be used without privileges' : 'is in use';
  return new DeployerError('usage', `${flag} ${port}: port ${port} ${why}`, {
    suggestions: [`${flag} 0 takes any free port`],
    cause,
  });
}
