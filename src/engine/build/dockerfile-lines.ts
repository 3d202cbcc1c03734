/**
 * The line, from 1, on which the instruction begins that a build's step was made of.
 * @param step `[build 2/3] RUN make`
 * @returns undefined where the step is no instruction, or stands there more than once
 */
export function lineOfStep(dockerfile: string, step: string): number | undefined {
  const wanted = folded(step.replace(/^\[[^\]]*\]\s*/, ''));
  const lines = instructionsOf(dockerfile).filter(({ text }) => text === wanted);
  return lines.length === 1 ? lines[0]?.line : undefined;
}

export interface Instruction {
  readonly line: number;
  readonly text: string;
}

/** With continued lines joined and comments left out, blanks folded. Here-documents are not read. */
export function instructionsOf(dockerfile: string): Instruction[] {
  const escape = /^\s*#\s*escape\s*=\s*(.)/im.exec(dockerfile)?.[1] === '`' ? '`' : '\\';
  const found: Instruction[] = [];
  let open: { line: number; parts: string[] } | undefined;
  for (const [at, line] of dockerfile.split(/\r?\n/).entries()) {
    if (/^\s*#/.test(line) || (open === undefined && line.trim() === '')) continue;
    open ??= { line: at + 1, parts: [] };
    const trimmed = line.trimEnd();
    const continues = trimmed.endsWith(escape) || trimmed === '';
    open.parts.push(trimmed.endsWith(escape) ? trimmed.slice(0, -1) : trimmed);
    if (continues) continue;
    found.push({ line: open.line, text: folded(open.parts.join('')) });
    open = undefined;
  }
  if (open !== undefined) found.push({ line: open.line, text: folded(open.parts.join('')) });
  return found;
}

/** `run  a   b` and `RUN a b` are one. */
function folded(text: string): string {
  return text
    .replace(/\s+/g, ' ')
    .trim()
    .replace(/^\S+/, (keyword) => keyword.toUpperCase());
}
