import type { EventSink, TimedDeployEvent } from '../deploy/events.js';
import { cleanLine } from '../lib/text.js';
import { plainBuildLines, plainEnd } from './build-text.js';
import type { DeployView } from './deploy-view.js';
import { say, type Io } from './io.js';
import { releaseFailureLine } from './release-lines.js';

/** For logs: one line per change, in order, nothing drawn over, in phrases that users of flyctl know. */
export class LinesView implements DeployView {
  // The error that follows has a mark of its own.
  readonly endsWithFailure = false;
  readonly #io: Io;
  #last = '';

  constructor(io: Io) {
    this.#io = io;
  }

  readonly show: EventSink = (event) => {
    for (const line of linesOf(event)) this.interject(line);
  };

  interject(line: string): void {
    // A progress that says the same again is no change.
    if (line !== this.#last) say(this.#io, `${line}\n`);
    this.#last = line;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function linesOf(event: TimedDeployEvent): string[] {
  switch (event.type) {
    case 'step.started':
      return [event.step === 'search' ? cleanLine(event.title) : `==> ${cleanLine(event.title)}`];
    case 'step.progress':
      return [`    ${cleanLine(event.message)}`];
    case 'build':
      return plainBuildLines(event.event).map((line) => `    ${line}`);
    case 'step.log':
      if (event.vertex !== undefined) return [`    ${plainEnd(event.vertex)}`];
      return [`    ${event.level === 'warning' ? 'warning: ' : ''}${cleanLine(event.message)}`];
    case 'step.succeeded':
      return [event.step === 'search' ? cleanLine(event.summary) : `    ${cleanLine(event.summary)}`];
    case 'step.skipped':
      return [`--> ${cleanLine(event.title)}: skipped, ${cleanLine(event.reason)}`];
    case 'release.failed':
      return [`    ${releaseFailureLine(event)}`];
    case 'release.rolled-back':
      return [`    ${cleanLine(event.message)}`];
    // The plan is what the steps say; the release step's lines tell of its release; failure and end are told
    // by the error or the result.
    case 'plan':
    case 'step.failed':
    case 'release.started':
    case 'release.healthy':
    case 'done':
      return [];
  }
}
