import type { Exit } from '../machines/machine.js';
import type { ListenSocket } from './listen-sockets.js';

export const RUNTIME_CHOICES = ['auto', 'docker', 'none'] as const;
export type RuntimeChoice = (typeof RUNTIME_CHOICES)[number];

/** What a machine is made of, for a runtime. */
export interface InstanceSpec {
  readonly app: string;
  readonly machineId: string;
  readonly version: string;
  /** What to run: `repository@digest` wherever the digest is known. */
  readonly image: string;
  readonly env: Readonly<Record<string, string>>;
  readonly entrypoint?: readonly string[];
  readonly cmd?: readonly string[];
  readonly memoryMb: number;
  /** TCP ports inside, each to be reachable on a loopback port. */
  readonly ports: readonly number[];
}

export interface ProcessStat {
  readonly pid: number;
  readonly command: string;
  /** bytes */
  readonly rss?: number;
  readonly listen_sockets?: readonly ListenSocket[];
}

/** A machine's main process, from its start to its end. */
export interface Instance {
  /** The loopback port of each port inside; empty where nothing really runs. */
  readonly ports: ReadonlyMap<number, number>;
  /** Settles once the process has ended; an engine that is away meanwhile is waited for. Rejects at the runtime's end. */
  readonly exit: Promise<Exit>;
  /** Sends the signal, and SIGKILL after `timeoutMs`. Resolves when it has ended; throws when it can't be ended. */
  stop(signal: string, timeoutMs: number): Promise<void>;
  signal(signal: string): Promise<void>;
  suspend(): Promise<void>;
  resume(): Promise<void>;
  /** @throws ApiError 501 where nothing really runs */
  processes(): Promise<readonly ProcessStat[]>;
  /** The last lines that it wrote, for the emulator's log. */
  lastLines(count: number): Promise<readonly string[]>;
  /** Ends it and leaves nothing behind. May be called again. */
  remove(): Promise<void>;
}

/** Where machines run. */
export interface Runtime {
  readonly name: 'docker' | 'none';
  /** For a person: which engine, or why there is none. */
  readonly description: string;
  /** For a person whom all else failed: removes what is left of this emulator. Undefined where nothing really runs. */
  readonly cleanUpCommand?: string;
  /** Gets the image ready. Throws with a sentence for the machine's event when it can't be had. */
  prepare(image: string, signal: AbortSignal): Promise<void>;
  /** Resolves when the process runs; leaves nothing behind when it throws. */
  start(spec: InstanceSpec, signal: AbortSignal): Promise<Instance>;
  /**
   * Ends all that runs of this emulator left behind.
   * @param withinMs an engine that takes longer to answer counts as gone
   * @throws DeployerError `engine_unavailable`, with the command that removes them
   */
  removeLeftovers(withinMs?: number): Promise<void>;
  /** Breaks off what is still being waited for. */
  close(): void;
}
