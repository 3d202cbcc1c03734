/** One line of what a bench found. */
export interface Row {
  readonly what: string;
  readonly value: string;
  /** The peer or floor that it was measured beside, in the same run. */
  readonly beside?: string;
  readonly ratio?: number;
  /** The ratio or value may be this at most. */
  readonly goal?: { readonly text: string; readonly met: boolean };
}

const HEAD = ['what', 'here', 'beside', 'ratio', 'goal'];

/** Rows as one Markdown table. */
export function markdownTable(rows: readonly Row[]): string {
  const cells = rows.map(({ what, value, beside = '', ratio, goal }) => [
    what,
    value,
    beside,
    ratio?.toFixed(2) ?? '',
    goal === undefined ? '' : `${goal.text} ${goal.met ? '✔' : '✖ missed'}`,
  ]);
  return [HEAD, HEAD.map(() => '---'), ...cells].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

/** A row of a time beside another's; `goal` is the largest ratio. */
export function timeRow(what: string, ms: number, beside: [string, number], goal?: number): Row {
  const [name, theirs] = beside;
  const ratio = ms / theirs;
  return {
    ...{ what, value: milliseconds(ms), beside: `${name}, ${milliseconds(theirs)}`, ratio },
    ...(goal !== undefined && { goal: { text: `≤ ${goal}`, met: ratio <= goal } }),
  };
}

function milliseconds(ms: number): string {
  return `${ms.toFixed(0)} ms`;
}
