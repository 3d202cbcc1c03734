import { homedir } from 'node:os';
import { systemClock, type Clock } from '../lib/clock.js';
import { cleanLine } from '../lib/text.js';
import type { Io } from '../ui/io.js';

/** A part of what `connectRegistry` takes; said here, since this room does not know that one. */
interface RegistryOptions {
  readonly env: Io['env'];
  readonly home: string;
  readonly clock: Clock;
  readonly userAgent: string;
  readonly insecure: readonly string[];
  readonly warn: (message: string) => void;
  readonly keepSecret: (secret: string) => void;
  readonly trace?: (roundTrip: RoundTrip) => void;
}

interface Program {
  readonly version: string;
}

/** What the registry client needs of the outside, as the program's streams and environment give it. */
export function registryOptions(io: Io, program: Program, insecure: readonly string[] = []): RegistryOptions {
  const say = (line: string): void => {
    io.stderr.write(`${io.redactor.redact(cleanLine(line, 500))}\n`);
  };
  return {
    env: io.env,
    home: homedir(),
    clock: systemClock,
    userAgent: `deployer/${program.version}`,
    insecure,
    warn: (message: string) => {
      if (!io.quiet) say(`warning: ${message}`);
    },
    // A registry may repeat in an error what it was sent.
    keepSecret: (secret) => io.redactor.add(secret),
    ...(io.verbose
      ? {
          trace: ({ method, url, status, durationMs }: RoundTrip) =>
            say(`${method} ${url} -> ${status ?? 'no answer'} (${Math.round(durationMs)} ms)`),
        }
      : {}),
  };
}

interface RoundTrip {
  readonly method: string;
  readonly url: string;
  readonly status?: number;
  readonly durationMs: number;
}
