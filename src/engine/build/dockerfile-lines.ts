/**
 * The line, from 1, on which the instruction begins that a build's step was made of: the only one of these words,
 * else the one that the step's number leads to. Many scripts in here-documents begin alike, and in `COPY $FILE /`
 * the engine puts the file's name.
 * @param step `[build 2/3] RUN make`
 * @returns undefined where the step is no instruction, or it can't be told which
 */
export function lineOfStep(dockerfile: string, step: string): number | undefined {
  const [, place = '', words = step] = /^\[([^\]]*)\]\s*([^]*)/.exec(step) ?? [];
  const wanted = folded(words);
  const instructions = instructionsOf(dockerfile);
  const alike = instructions.filter(({ text }) => text === wanted);
  if (alike.length === 1) return alike[0]?.line;
  const there = instructionAt(place, instructions);
  if (there === undefined) return undefined;
  const fits = alike.length === 0 ? keywordOf(there.text) === keywordOf(wanted) : there.text === wanted;
  return fits ? there.line : undefined;
}

/**
 * @param place as BuildKit has it: `2/3`, `build 2/3`, `linux/amd64 stage-1  2/10`
 * @returns undefined also where others are counted: by the classic builder ENV and the like, with ONBUILD the base's
 */
function instructionAt(place: string, instructions: readonly Instruction[]): Instruction | undefined {
  const [number, stage, at, of] = /(?:^|\s)(?:([^\s/]+)\s+)?(\d+)\/(\d+)$/.exec(place) ?? [];
  if (number === undefined) return undefined;
  const stages = instructions.filter(({ text }) => text.startsWith('FROM '));
  const index = stages.findIndex(({ text }, count) => {
    if (stage === undefined) return stages.length === 1;
    return stage.toLowerCase() === (/ AS (\S+)$/i.exec(text)?.[1]?.toLowerCase() ?? `stage-${count}`);
  });
  const { line: begin = Infinity } = stages[index] ?? {};
  const { line: end = Infinity } = stages[index + 1] ?? {};
  const steps = instructions.filter(
    ({ line, text }) => line > begin && line < end && STEPS.has(keywordOf(text)),
  );
  const before = Number(of) - steps.length;
  // The base image is a step, unless it is none (scratch) or another stage.
  return before === 0 || before === 1 ? steps[Number(at) - before - 1] : undefined;
}

/** The instructions that BuildKit makes steps of, beside FROM. */
const STEPS: ReadonlySet<string> = new Set(['RUN', 'COPY', 'ADD', 'WORKDIR']);

function keywordOf(text: string): string {
  return text.split(' ', 1)[0] ?? '';
}

export interface Instruction {
  readonly line: number;
  readonly text: string;
}

/** With continued lines joined and comments left out, blanks folded. */
export function instructionsOf(dockerfile: string): Instruction[] {
  const escape = /^\s*#\s*escape\s*=\s*(.)/im.exec(dockerfile)?.[1] === '`' ? '`' : '\\';
  const lines = dockerfile.split(/\r?\n/);
  const found: Instruction[] = [];
  let open: { line: number; parts: string[] } | undefined;
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? '';
    if (/^\s*#/.test(line) || (open === undefined && line.trim() === '')) continue;
    open ??= { line: at + 1, parts: [] };
    const trimmed = line.trimEnd();
    const continues = trimmed.endsWith(escape) || trimmed === '';
    open.parts.push(trimmed.endsWith(escape) ? trimmed.slice(0, -1) : trimmed);
    if (continues) continue;
    const text = folded(open.parts.join(''));
    const documents = hereDocuments(text, lines, at + 1);
    found.push({ line: open.line, text: `${text}${documents.summary}` });
    at = documents.end - 1;
    open = undefined;
  }
  if (open !== undefined) found.push({ line: open.line, text: folded(open.parts.join('')) });
  return found;
}

/**
 * The here-documents that an instruction opens, which lie on the lines from `start` on. BuildKit names a step whose
 * command is one by its first line: `RUN <<EOF (make...)`.
 * @returns `end` the line after the last of them
 */
function hereDocuments(text: string, lines: readonly string[], start: number) {
  let end = start;
  let summary = '';
  if (!/^(?:ONBUILD )?(?:RUN|COPY|ADD) /i.test(text)) return { end, summary };
  for (const [, dash, , name] of text.matchAll(/(?<=\s)\d*<<(-?)(["']?)([^\s<>"']+)\2(?=\s|>|$)/g)) {
    const isEnd = (line: string): boolean => (dash === '-' ? line.replace(/^\t+/, '') : line) === name;
    const last = lines.findIndex((line, at) => at >= end && isEnd(line));
    // To a frontend before 1.4 it is none.
    if (last === -1) break;
    const [first = '', ...more] = lines.slice(end, last).join('\n').trim().split('\n');
    if (/^RUN (?:--\S+ )*<<\S+$/i.test(text))
      summary = ` (${folded(`- ${first}`).slice(2)}${more.length > 0 ? '...' : ''})`;
    end = last + 1;
  }
  return { end, summary };
}

/** `run  a   b` and `RUN a b` are one. */
function folded(text: string): string {
  return text
    .replace(/\s+/g, ' ')
    .trim()
    .replace(/^\S+/, (keyword) => keyword.toUpperCase());
}
