import * as v from 'valibot';
import { isDigest } from '../../oci/digest.js';
import { ApiError } from './api-error.js';
import { readBody } from './machine-config.js';
import type { MachineRecord } from './machine.js';

const FAULTS_KEPT = 100;
const delayMs = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(60_000));
const times = v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(10_000)));
const shortText = v.pipe(v.string(), v.maxLength(1024));

const answer = v.union([
  v.strictObject({
    status: v.pipe(v.number(), v.integer(), v.minValue(200), v.maxValue(599)),
    headers: v.optional(
      v.record(
        v.pipe(v.string(), v.regex(/^[A-Za-z0-9-]{1,64}$/)),
        v.pipe(shortText, v.regex(/^[\t\x20-\x7e]*$/)),
      ),
    ),
    body: v.optional(v.unknown()),
  }),
  v.strictObject({ delayMs }),
  v.strictObject({ drop: v.union([v.literal(true), v.literal('after')]) }),
]);

const requestFault = v.strictObject({
  match: v.strictObject({
    method: v.optional(v.pipe(v.string(), v.toUpperCase(), v.regex(/^[A-Z]{1,16}$/))),
    pathPattern: v.optional(v.pipe(shortText, v.startsWith('/'))),
    nth: times,
  }),
  answer,
  times,
});

const machineFault = v.strictObject({
  match: v.strictObject({
    machine: v.optional(shortText),
    imageDigest: v.optional(
      v.pipe(
        v.string(),
        v.check((text) => isDigest(text), 'is not a digest'),
      ),
    ),
    env: v.optional(v.record(v.string(), v.string())),
  }),
  effect: v.union([
    v.strictObject({
      crash: v.strictObject({
        afterMs: delayMs,
        exitCode: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(255)),
      }),
    }),
    v.strictObject({ oom: v.strictObject({ afterMs: delayMs }) }),
    v.strictObject({
      checks: v.strictObject({
        failAfterMs: v.optional(delayMs),
        passAfterMs: v.optional(delayMs),
        output: v.optional(shortText),
      }),
    }),
    v.strictObject({ neverStarts: v.literal(true) }),
  ]),
  times,
});

/**
 * What a request gets instead of, or before, its answer.
 * - `{status, headers?, body?}`: this answer; the request is not carried out. `body` is sent as JSON, a string as
 *   it is.
 * - `{delayMs}`: the request is carried out that much later (at most 60 s).
 * - `{drop: true}`: the connection breaks, and the request is not carried out; `{drop: 'after'}`: it is carried
 *   out, and the connection breaks before the answer.
 *
 * It matches by `method`, and by `pathPattern` on the path without its query: `*` stands for one segment or a part
 * of one, `**` for any number of them (`/v1/apps/shop/machines/**`). `nth`: only that match, counted from 1. `times`:
 * so often, then never again.
 */
export type RequestFault = v.InferOutput<typeof requestFault>;

/**
 * What goes wrong with a machine, at each of its starts, or at the first `times` of them, when all of `match`
 * fits: the machine's id, its image's digest, its environment.
 * - `{crash: {afterMs, exitCode}}`: the process ends so, that long after it was started.
 * - `{oom: {afterMs}}`: it is killed for its memory: exit code 137, `oom_killed`.
 * - `{checks: {failAfterMs?, passAfterMs?, output?}}`: its checks are critical with this output, from its start or
 *   so long after it, until so long after its start or for ever. Before and after they are what they really are.
 * - `{neverStarts: true}`: it stays in `starting`.
 */
export type MachineFault = v.InferOutput<typeof machineFault>;

export type Fault = RequestFault | MachineFault;

/** All that goes wrong with one start of a machine. */
export interface StartFaults {
  readonly crash?: { readonly afterMs: number; readonly exitCode: number; readonly oomKilled: boolean };
  readonly checks?: Extract<MachineFault['effect'], { checks: unknown }>['checks'];
  readonly neverStarts: boolean;
}

interface Scripted {
  readonly id: string;
  readonly fault: Fault;
  matched: number;
  fired: number;
}

/** Failures that a test scripts, over the constructor or the API. At most 100 at a time. */
export class Faults {
  #scripted: Scripted[] = [];
  #nextId = 1;

  constructor(faults: readonly Fault[] = []) {
    faults.forEach((fault) => this.add(fault));
  }

  /** @throws ApiError 400 for what is no fault, and when there are too many */
  add(input: unknown): { readonly id: string } {
    if (this.#scripted.length >= FAULTS_KEPT) {
      throw new ApiError('invalid_argument', `no more than ${FAULTS_KEPT} faults at a time`);
    }
    const isMachineFault = typeof input === 'object' && input !== null && 'effect' in input;
    const fault: Fault = isMachineFault ? readBody(machineFault, input) : readBody(requestFault, input);
    const id = String(this.#nextId);
    this.#nextId += 1;
    this.#scripted.push({ id, fault, matched: 0, fired: 0 });
    return { id };
  }

  list(): readonly unknown[] {
    return this.#scripted.map(({ id, fault, fired }) => ({ id, fired, ...fault }));
  }

  /** @throws ApiError 404 */
  remove(id: string): void {
    const left = this.#scripted.filter((each) => each.id !== id);
    if (left.length === this.#scripted.length) throw new ApiError('not_found', `fault ${id} not found`);
    this.#scripted = left;
  }

  clear(): void {
    this.#scripted = [];
  }

  /** What this request gets: the first fault that fits; undefined when none does. */
  forRequest(method: string, path: string): RequestFault['answer'] | undefined {
    for (const each of this.#scripted) {
      if ('effect' in each.fault || !fitsRequest(each.fault.match, method, path)) continue;
      each.matched += 1;
      const { nth } = each.fault.match;
      if (nth !== undefined && nth !== each.matched) continue;
      if (fire(each)) return each.fault.answer;
    }
    return undefined;
  }

  /** What goes wrong with this start of the machine. */
  forStart(machine: MachineRecord): StartFaults {
    let faults: StartFaults = { neverStarts: false };
    for (const each of this.#scripted) {
      if (!('effect' in each.fault) || !fitsMachine(each.fault.match, machine) || !fire(each)) continue;
      faults = withEffect(faults, each.fault.effect);
    }
    return faults;
  }
}

function fire(each: Scripted): boolean {
  if (each.fired >= (each.fault.times ?? Infinity)) return false;
  each.fired += 1;
  return true;
}

function fitsRequest(match: RequestFault['match'], method: string, path: string): boolean {
  if (match.method !== undefined && match.method !== method) return false;
  return match.pathPattern === undefined || patternOf(match.pathPattern).test(path);
}

function patternOf(glob: string): RegExp {
  const source = glob
    .split(/(\*{1,2})/)
    .map((part) =>
      part === '**' ? '.*' : part === '*' ? '[^/]*' : part.replace(/[\\^$.|?+()[\]{}]/g, '\\$&'),
    )
    .join('');
  return new RegExp(`^${source}$`);
}

function fitsMachine(match: MachineFault['match'], machine: MachineRecord): boolean {
  const env = machine.config.env ?? {};
  return (
    (match.machine === undefined || match.machine === machine.id) &&
    (match.imageDigest === undefined || match.imageDigest === machine.image_ref.digest) &&
    Object.entries(match.env ?? {}).every(([key, value]) => env[key] === value)
  );
}

function withEffect(faults: StartFaults, effect: MachineFault['effect']): StartFaults {
  if ('crash' in effect) return { ...faults, crash: { ...effect.crash, oomKilled: false } };
  if ('oom' in effect) return { ...faults, crash: { ...effect.oom, exitCode: 137, oomKilled: true } };
  if ('checks' in effect) return { ...faults, checks: effect.checks };
  return { ...faults, neverStarts: true };
}
