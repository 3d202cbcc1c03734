import type { EventSink } from '../deploy/events.js';

/** Shows a deploy's events. No view decides anything: each is made of the events alone. */
export interface EventView {
  /** Takes the next event. Does not wait, does not throw. */
  readonly show: EventSink;
  /** Resolves when all is shown and the streams are free again. */
  close(): Promise<void>;
}

/** The view that a person looks at while it goes on. */
export interface DeployView extends EventView {
  /** Puts a line of the command's own among what is shown. */
  interject(line: string): void;
  /** Whether the failing step's line was shown last: the error's text then goes indented under it. */
  readonly endsWithFailure: boolean;
}
