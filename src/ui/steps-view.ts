import { styleText } from 'node:util';
import type { EventSink, TimedDeployEvent } from '../deploy/events.js';
import { formatDuration } from '../lib/duration.js';
import { cleanLine } from '../lib/text.js';
import { runningLine } from './build-text.js';
import type { DeployView } from './deploy-view.js';
import { say, type Io } from './io.js';
import { releaseFailureLine } from './release-lines.js';

const TITLE_WIDTH = 46;

/** Below this a duration says nothing. */
const SHORTEST_SHOWN_MS = 100;

const RUN_EVERY_MS = 100;

/** A task of listr2, as far as it is needed. */
interface Task {
  title: string;
  output: string;
  skip(message: string): void;
}

/** A step that is being drawn. */
interface Drawing {
  readonly title: string;
  readonly task: Task;
  /** Ends it with its last line, marked as done or as failed. */
  readonly end: (line: string, failed: boolean) => Promise<void>;
}

/**
 * For a terminal: a line per step, drawn over while it runs. Each step is a list of its own, begun when the one
 * before has been drawn to its end: what is finished stands, and only the last lines move.
 */
export class StepsView implements DeployView {
  readonly #io: Io;
  #drawing: Drawing | undefined;
  #endsWithFailure = false;
  #ranAt = 0;
  /** Drawing takes time; events do not wait for it. */
  #queue: Promise<void> = Promise.resolve();
  #fault: Error | undefined;

  constructor(io: Io) {
    this.#io = io;
  }

  get endsWithFailure(): boolean {
    return this.#endsWithFailure;
  }

  readonly show: EventSink = (event) => {
    // Before it is drawn: a secret that is wrapped over two lines would not be known any more.
    const clean = this.#io.redactor.redactDocument(event);
    this.#enqueue(() => this.#draw(clean));
  };

  interject(line: string): void {
    this.#enqueue(() => this.#keep(line));
  }

  async close(): Promise<void> {
    // A step that no event ended: whatever ended the deploy is told after it.
    this.#enqueue(() => this.#end(this.#drawing?.title ?? '', true));
    await this.#queue;
    if (this.#fault !== undefined) throw this.#fault;
  }

  // A fault of the drawing must not end the deploy: it is kept for `close`.
  #enqueue(work: () => void | Promise<void>): void {
    this.#queue = this.#queue.then(work).catch((fault: unknown) => {
      this.#fault ??= fault instanceof Error ? fault : new Error(String(fault));
    });
  }

  async #draw(event: TimedDeployEvent): Promise<void> {
    switch (event.type) {
      case 'step.started':
        this.#drawing = await drawStep(this.#io, cleanLine(event.title));
        return;
      case 'step.progress':
        if (this.#drawing) this.#drawing.task.title = columns(this.#drawing.title, cleanLine(event.message));
        return;
      case 'build':
        this.#run(runningLine(event.event), event.event.type === 'started');
        return;
      case 'step.log': {
        this.#keep(`${event.level === 'warning' ? 'warning: ' : ''}${cleanLine(event.message)}`);
        return;
      }
      case 'step.succeeded':
        return this.#end(
          columns(this.#drawing?.title ?? '', cleanLine(event.summary), shownDuration(event)),
          false,
        );
      case 'step.skipped':
        return drawSkipped(this.#io, columns(cleanLine(event.title), `skipped: ${cleanLine(event.reason)}`));
      case 'step.failed':
        return this.#end(this.#drawing?.title ?? '', true);
      case 'release.failed': {
        this.#keep(releaseFailureLine(event));
        return;
      }
      case 'release.rolled-back': {
        this.#keep(cleanLine(event.message));
        return;
      }
      // Told by the steps' own lines, by the error and by the result.
      case 'plan':
      case 'release.started':
      case 'release.healthy':
      case 'done':
    }
  }

  /** What a build does now, beside its title: more often than can be read it is not drawn. */
  #run(text: string, atOnce: boolean): void {
    const now = performance.now();
    if (this.#drawing === undefined || (!atOnce && now - this.#ranAt < RUN_EVERY_MS)) return;
    this.#ranAt = now;
    // One line, or it could not be drawn over.
    const room = Math.max(20, (this.#io.stderr.columns ?? 80) - 4);
    this.#drawing.task.title = columns(this.#drawing.title, text).slice(0, room);
  }

  /** A line that stays, under the step that is being drawn. */
  #keep(line: string): void {
    if (this.#drawing === undefined) say(this.#io, `${line}\n`);
    else this.#drawing.task.output = this.#io.redactor.redact(line);
  }

  async #end(line: string, failed: boolean): Promise<void> {
    const drawing = this.#drawing;
    if (drawing === undefined) return;
    this.#drawing = undefined;
    this.#endsWithFailure = failed;
    await drawing.end(line, failed);
  }
}

async function drawStep(io: Io, title: string): Promise<Drawing> {
  const ending = deferred<{ line: string; failed: boolean }>();
  const begun = deferred<Task>();
  const drawn = drawList(io, title, async (task) => {
    begun.resolve(task);
    const { line, failed } = await ending.promise;
    task.title = line;
    if (failed) throw new StepFailed(line);
  });
  const end = (line: string, failed: boolean): Promise<void> => {
    ending.resolve({ line, failed });
    return drawn;
  };
  return { title, task: await Promise.race([begun.promise, drawn.then(() => begun.promise)]), end };
}

function drawSkipped(io: Io, line: string): Promise<void> {
  return drawList(io, line, (task) => task.skip(line));
}

/** Makes listr2 mark the step as failed; what went wrong is told by the base command. */
class StepFailed extends Error {}

async function drawList(io: Io, title: string, work: (task: Task) => void | Promise<void>): Promise<void> {
  const { Listr, ListrLogger, ProcessOutput, DefaultRenderer } = await import('listr2');
  // That stderr is a terminal is known; listr2 would look at stdout, which may well be a file.
  class StderrRenderer extends DefaultRenderer {
    static override nonTTY = true;
  }
  // listr2 takes over the streams that it draws on, and holds back what others write there. It gets stand-ins, so
  // that the command's own words reach the terminal when they are spoken.
  const processOutput = new ProcessOutput(standIn(io), standIn(io), { leaveEmptyLine: false });
  const list = new Listr(
    [
      {
        title,
        task: (_, task) => work(task),
        rendererOptions: { outputBar: Infinity, persistentOutput: true },
      },
    ],
    {
      // Ctrl-C belongs to the base command: listr2 would end the process, and nothing would be undone.
      registerSignalListeners: false,
      renderer: StderrRenderer,
      rendererOptions: {
        collapseErrors: false,
        showErrorMessage: false,
        logger: new ListrLogger({ useIcons: true, processOutput }),
        color: marks(io.color),
      },
    },
  );
  try {
    await list.run();
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error;
  }
}

/** All of a stream that listr2 uses to draw. */
function standIn({ stderr }: Io): NodeJS.WriteStream {
  const write = (text: string) => stderr.write(text);
  return { write, columns: stderr.columns, isTTY: true } as unknown as NodeJS.WriteStream;
}

// By io's word, not by what listr2 finds out about stdout.
function marks(color: boolean): Record<string, (text?: string) => string> {
  const mark =
    (style: Parameters<typeof styleText>[0]) =>
    (text = '') =>
      color ? styleText(style, text, { validateStream: false }) : text;
  return {
    PENDING: mark('yellow'),
    COMPLETED: mark('green'),
    FAILED: mark('red'),
    SKIPPED_WITH_COLLAPSE: mark('yellow'),
    OUTPUT: mark('dim'),
    WAITING: mark('dim'),
  };
}

/** Title, summary and duration side by side; a short title is filled up, so that the summaries align. */
function columns(title: string, ...more: readonly string[]): string {
  const filled = title.length < TITLE_WIDTH ? title.padEnd(TITLE_WIDTH) : `${title}   `;
  return `${filled}${more.filter((part) => part !== '').join('   ')}`.trimEnd();
}

function shownDuration({ durationMs }: { readonly durationMs: number }): string {
  return durationMs < SHORTEST_SHOWN_MS ? '' : formatDuration(durationMs);
}

function deferred<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
