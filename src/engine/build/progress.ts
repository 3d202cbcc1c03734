import { StringDecoder } from 'node:string_decoder';
import { cleanLine } from '../../lib/text.js';
import type { Trace, TraceVertex } from './trace.js';

/** A step of a build as people know it: an instruction, a base image that is resolved, the context that is sent. */
export interface BuildStep {
  /** From 1, in the order in which they were first told. */
  readonly number: number;
  /** `[2/3] RUN make` */
  readonly name: string;
}

export type BuildEvent =
  | { readonly type: 'started'; readonly step: BuildStep }
  /** bytes, mostly; `total` is 0 when it is not known */
  | {
      readonly type: 'progress';
      readonly step: BuildStep;
      readonly part: string;
      readonly current: number;
      readonly total: number;
    }
  | { readonly type: 'log'; readonly step: BuildStep; readonly line: string }
  | {
      readonly type: 'completed';
      readonly step: BuildStep;
      readonly cached: boolean;
      readonly durationMs: number;
    }
  | { readonly type: 'failed'; readonly step: BuildStep; readonly error: string }
  | { readonly type: 'warning'; readonly message: string };

/** The step that a build failed in. */
export interface FailedStep {
  readonly name: string;
  readonly error: string;
  /** The last that it printed. */
  readonly lines: readonly string[];
}

const LINES_KEPT = 40;
const CACHE_IMPORT = /^importing cache manifest from /;

interface StepState {
  readonly step: BuildStep;
  readonly lines: string[];
  readonly decoder: StringDecoder;
  rest: string;
  begun: boolean;
  ended: boolean;
}

/** Makes each change of a build one event: the engine repeats what it said before. */
export class BuildProgress {
  readonly #steps = new Map<string, StepState>();
  readonly #onEvent: (event: BuildEvent) => void;
  #failed: FailedStep | undefined;

  constructor(onEvent: (event: BuildEvent) => void) {
    this.#onEvent = onEvent;
  }

  get failed(): FailedStep | undefined {
    return this.#failed;
  }

  update({ vertices, statuses, logs, warnings }: Trace): void {
    // What a step printed comes before its end, also where both are in one message.
    for (const vertex of vertices) this.#begin(vertex);
    for (const { vertex, text } of logs) {
      const state = this.#steps.get(vertex);
      if (state !== undefined) this.#log(state, text);
    }
    for (const { id, vertex, current, total } of statuses) {
      const state = this.#steps.get(vertex);
      if (state === undefined || state.ended) continue;
      this.#onEvent({ type: 'progress', step: state.step, part: cleanLine(id, 100), current, total });
    }
    for (const message of warnings) this.#onEvent({ type: 'warning', message: cleanLine(message) });
    for (const vertex of vertices) this.#end(vertex);
  }

  #begin({ digest, name, started, completed, cached }: TraceVertex): void {
    let state = this.#steps.get(digest);
    if (state === undefined) {
      const step = { number: this.#steps.size + 1, name: cleanLine(name, 200) };
      const decoder = new StringDecoder('utf8');
      state = { step, lines: [], decoder, rest: '', begun: false, ended: false };
      this.#steps.set(digest, state);
    }
    if (state.begun || (started === undefined && completed === undefined && !cached)) return;
    state.begun = true;
    this.#onEvent({ type: 'started', step: state.step });
  }

  #end({ digest, started, completed, cached, error }: TraceVertex): void {
    const state = this.#steps.get(digest);
    if (state === undefined || state.ended || completed === undefined) return;
    state.ended = true;
    this.#line(state, state.rest);
    if (error === '') {
      const durationMs = Math.max(0, completed - (started ?? completed));
      this.#onEvent({ type: 'completed', step: state.step, cached, durationMs });
      return;
    }
    const message = cleanLine(error, 1000);
    // A step that was stopped because another failed is not why; nor is a cache that is not there, without which it goes on.
    if (!/context canceled/.test(message) && !CACHE_IMPORT.test(state.step.name)) {
      this.#failed ??= { name: state.step.name, error: message, lines: state.lines };
    }
    this.#onEvent({ type: 'failed', step: state.step, error: message });
  }

  #log(state: StepState, text: Uint8Array): void {
    const lines = (state.rest + state.decoder.write(Buffer.from(text))).split('\n');
    state.rest = (lines.pop() ?? '').slice(-4096);
    for (const line of lines) this.#line(state, line);
  }

  #line(state: StepState, text: string): void {
    // A line that was drawn over is what it was last.
    const line = cleanLine(text.replace(/\r+$/, '').replace(/^.*\r/s, ''), 1000);
    if (line === '') return;
    state.lines.push(line);
    if (state.lines.length > LINES_KEPT) state.lines.shift();
    this.#onEvent({ type: 'log', step: state.step, line });
  }
}
