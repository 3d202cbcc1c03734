import { Writable } from 'node:stream';
import { createIo, type Io } from '../../src/ui/io.js';

export interface CollectedIo {
  readonly io: Io;
  stdout(): string;
  stderr(): string;
}

/** An Io whose streams collect what is written. */
export function collectedIo(
  argv: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): CollectedIo {
  const stdout = collector();
  const stderr = collector();
  return {
    io: createIo({ argv, env, stdout: stdout.stream, stderr: stderr.stream }),
    stdout: stdout.text,
    stderr: stderr.text,
  };
}

function collector(): { readonly stream: Writable; readonly text: () => string } {
  let text = '';
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString();
      done();
    },
  });
  return { stream, text: () => text };
}
