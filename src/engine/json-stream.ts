import type { Readable } from 'node:stream';

/** A progress stream's lines may hold a step's whole output, in base64. */
const LINE_LIMIT = 16 * 1024 * 1024;

/**
 * The JSON documents of a stream, one a line, as the engine reports progress.
 * @throws SyntaxError for what is no JSON; RangeError for a line without end
 */
export async function* readJsonLines(stream: Readable): AsyncGenerator<Readonly<Record<string, unknown>>> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    rest += decoder.decode(chunk, { stream: true });
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > LINE_LIMIT) throw new RangeError('a line of progress without end');
    for (const line of lines) yield* parse(line);
  }
  yield* parse(rest);
}

function* parse(line: string): Generator<Readonly<Record<string, unknown>>> {
  if (line.trim() === '') return;
  const value: unknown = JSON.parse(line);
  if (typeof value === 'object' && value !== null) yield value as Record<string, unknown>;
}
