import { cleanLine } from '../../lib/text.js';
import type { Trace, TraceVertex } from './trace.js';

type Line = Readonly<Record<string, unknown>>;

const NOTHING: Trace = { vertices: [], statuses: [], logs: [], warnings: [] };

/** `Step 3/7 : RUN make`, without a line's end; what a RUN prints has one. */
const DOCKER_STEP = /^Step (\d+\/\d+) : ([^\n]+)$/;
/** `[1/2] STEP 3/7: RUN make`, the stage in brackets where there are several. */
const PODMAN_STEP = /^(?:\[(\d+\/\d+)\] )?STEP (\d+\/\d+): ([^\n]+)\n$/;
const CACHED = /^(?: ---> Using cache|--> Using cache [0-9a-f]{12,64})\n$/;
/** What the engine says of containers and images on its way. */
const ASIDES =
  /^(?: ---> (?:Running in )?[0-9a-f]{12}|Removing intermediate container [0-9a-f]{12}|Successfully (?:built|tagged) \S+|--> [0-9a-f]{11,64}|COMMIT(?: \S+)?|[0-9a-f]{64}|)\n$/;
const WARNING = /^(?: ---> )?\[Warning\] (.*)\n$/i;
/** Red for what a step prints on stderr. */
const COLOURS = ['\u001b[91m', '\u001b[0m'];

interface Step {
  readonly digest: string;
  readonly name: string;
  /** milliseconds, of any clock */
  readonly started: number;
  cached: boolean;
}

/** Tells the progress of a classic build, lines for people, as BuildKit would. */
export class ClassicTrace {
  #step: Step | undefined;
  #steps = 0;
  #cached = false;
  readonly #round: number;

  /** @param round of the builds that one account tells of, which this is */
  constructor(round: number) {
    this.#round = round;
  }

  /** Whether a step came from the engine's cache. */
  get cached(): boolean {
    return this.#cached;
  }

  /** @param now milliseconds */
  *read(line: Line, now: number): Generator<Trace> {
    const { stream, status } = line;
    if (typeof stream === 'string') yield* this.#printed(stream, now);
    else if (typeof status === 'string') yield* this.#pulled(line);
  }

  /** The build is over. */
  *end(now: number, error = ''): Generator<Trace> {
    const step = this.#step;
    this.#step = undefined;
    if (step !== undefined) yield { ...NOTHING, vertices: [{ ...step, completed: now, error }] };
  }

  *#printed(text: string, now: number): Generator<Trace> {
    const name = stepIn(text);
    if (name !== undefined) {
      yield* this.end(now);
      this.#steps += 1;
      this.#step = { digest: `${this.#round}-step-${this.#steps}`, name, started: now, cached: false };
      yield { ...NOTHING, vertices: [begun(this.#step)] };
      return;
    }
    const warning = WARNING.exec(text)?.[1];
    if (warning !== undefined) yield { ...NOTHING, warnings: [warning] };
    else if (this.#step !== undefined && CACHED.test(text)) this.#cached = this.#step.cached = true;
    else if (this.#step !== undefined && !ASIDES.test(text)) {
      const plain = COLOURS.reduce((rest, colour) => rest.replaceAll(colour, ''), text);
      yield { ...NOTHING, logs: [{ vertex: this.#step.digest, text: Buffer.from(plain) }] };
    }
  }

  /** Of a base image, layer by layer. */
  *#pulled({ id, progressDetail }: Line): Generator<Trace> {
    const { current, total } = (progressDetail ?? {}) as {
      readonly current?: unknown;
      readonly total?: unknown;
    };
    if (this.#step === undefined || typeof id !== 'string' || typeof current !== 'number') return;
    const { digest: vertex } = this.#step;
    yield {
      ...NOTHING,
      statuses: [{ id: cleanLine(id, 100), vertex, current, total: typeof total === 'number' ? total : 0 }],
    };
  }
}

/** The context, which the engine says nothing of. */
export class ContextTrace {
  readonly #vertex: TraceVertex;

  /** @param round as of `ClassicTrace` */
  constructor(now: number, round: number) {
    this.#vertex = {
      ...{
        digest: `${round}-context`,
        name: '[internal] load build context',
        cached: false,
        started: now,
        error: '',
      },
    };
  }

  begin(): Trace {
    return { ...NOTHING, vertices: [this.#vertex] };
  }

  sent(bytes: number): Trace {
    return { ...NOTHING, statuses: [{ id: 'tar', vertex: this.#vertex.digest, current: bytes, total: 0 }] };
  }

  end(now: number): Trace {
    return { ...NOTHING, vertices: [{ ...this.#vertex, completed: now }] };
  }
}

function begun({ digest, name, started, cached }: Step): TraceVertex {
  return { digest, name, started, cached, error: '' };
}

/** As BuildKit names it: `[3/7] RUN make`. */
function stepIn(text: string): string | undefined {
  const docker = DOCKER_STEP.exec(text);
  if (docker !== null) return `[${docker[1]}] ${docker[2]}`;
  const podman = PODMAN_STEP.exec(text);
  if (podman === null) return undefined;
  const [, stage, step, instruction] = podman;
  return `[${stage === undefined ? '' : `${stage} `}${step}] ${instruction}`;
}
