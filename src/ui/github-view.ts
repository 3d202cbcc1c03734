import { appendFile } from 'node:fs/promises';
import type { EventSink, TimedDeployEvent } from '../deploy/events.js';
import type { DeployResult } from '../deploy/result.js';
import { formatDuration } from '../lib/duration.js';
import { messageOf, type ErrorDocument } from '../lib/errors.js';
import { cleanLine } from '../lib/text.js';
import type { EventView } from './deploy-view.js';
import { annotate, say, type Io } from './io.js';

/**
 * For GitHub Actions: warnings as annotations, and what came of it on the run's summary page. The failure is annotated
 * where every command's is: cli/failure.ts.
 */
export class GithubView implements EventView {
  readonly #io: Io;
  #done: (TimedDeployEvent & { readonly type: 'done' }) | undefined;

  constructor(io: Io) {
    this.#io = io;
  }

  readonly show: EventSink = (event) => {
    if (event.type === 'step.log' && event.level === 'warning') annotate(this.#io, 'warning', event.message);
    if (event.type !== 'done') return;
    this.#done = event;
  };

  async close(): Promise<void> {
    const path = this.#io.env['GITHUB_STEP_SUMMARY'];
    if (!path || this.#done === undefined) return;
    try {
      await appendFile(path, this.#io.redactor.redact(summaryOf(this.#done)));
    } catch (error) {
      say(this.#io, `warning: no summary is written (GITHUB_STEP_SUMMARY): ${messageOf(error)}\n`);
    }
  }
}

function summaryOf({ result, error }: { result?: DeployResult; error?: ErrorDocument }): string {
  const rows = result === undefined ? [] : rowsOf(result);
  const heading = error === undefined ? headingOf(result) : `Deploy failed: ${error.message}`;
  return [
    `### ${escapeMarkdown(heading)}`,
    '',
    ...(rows.length === 0 ? [] : ['| | |', '|---|---|', ...rows, '']),
    ...(error?.suggestions ?? []).map((suggestion) => `- Try: ${escapeMarkdown(suggestion)}`),
    '',
  ].join('\n');
}

function headingOf(result: DeployResult | undefined): string {
  return result === undefined
    ? 'Deploy planned, nothing changed'
    : `${result.app} v${result.release.version}: ${result.status}`;
}

function rowsOf({ image, release, machines, url, durations }: DeployResult): string[] {
  const facts: readonly (readonly [name: string, fact: string | undefined])[] = [
    ['Image', image.deployed],
    [
      'Release',
      `v${release.version}${release.previous === undefined ? '' : `, before it v${release.previous}`}`,
    ],
    ['Machines', machines.map(({ id, state, health }) => `${id} ${state} (${health})`).join(', ')],
    ['URL', url],
    ['Took', formatDuration(durations.total)],
  ];
  return facts.flatMap(([name, fact]) => (fact ? [`| ${name} | ${escapeMarkdown(fact)} |`] : []));
}

// What a server said is text on that page, never markup or a link.
function escapeMarkdown(text: string): string {
  return cleanLine(text, 1000).replace(/[\\`*_{}[\]<>|#~!&@:]/g, (mark) => `&#${mark.charCodeAt(0)};`);
}
