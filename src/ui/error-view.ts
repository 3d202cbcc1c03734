import { inspect, styleText } from 'node:util';
import { cleanLine } from '../lib/text.js';
import type { ErrorDocument } from '../lib/errors.js';

export interface ErrorViewOptions {
  readonly color: boolean;
  /** The failing step's own line stands above already: everything goes indented under it. */
  readonly underStep?: boolean;
  /** With `--verbose`: the lines of what lies behind the error (causes, a stack). */
  readonly background?: readonly string[];
}

/** A failure for a person: what happened, the evidence, how to mend it. Ends with a line feed. */
export function renderError(error: ErrorDocument, options: ErrorViewOptions): string {
  const paint = (style: 'red' | 'dim', text: string) =>
    options.color ? styleText(style, text, { validateStream: false }) : text;
  const [headline = '', ...more] = error.message.split('\n').map((line) => cleanLine(line, 1000));
  return [
    options.underStep === true ? `  ${headline}` : `${paint('red', '✖')} ${headline}`,
    ...[...more, ...(error.evidence ?? []).map((line) => cleanLine(line, 1000))].map((line) => `  ${line}`),
    ...error.suggestions.map((line) => `  Try: ${cleanLine(line, 1000)}`),
    ...(options.background ?? []).map((line) => paint('dim', `  ${cleanLine(line, 1000)}`)),
    '',
  ].join('\n');
}

/** What lies behind an error, outermost first: each cause's name and message, the stack of a bug. */
export function backgroundOf(error: Error): string[] {
  const lines: string[] = [];
  const seen = new Set<unknown>([error]);
  for (let cause: unknown = error.cause; cause !== undefined && !seen.has(cause);) {
    seen.add(cause);
    lines.push(`caused by: ${cause instanceof Error ? `${cause.name}: ${cause.message}` : inspect(cause)}`);
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  return lines;
}
