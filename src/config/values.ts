import { parseDuration } from '../lib/duration.js';
import { DeployerError } from '../lib/errors.js';
import { STRATEGIES, TARGET_NAMES, type Strategy, type TargetName } from './deploy-config.js';
import { Refusal } from './refusal.js';

/*
 * What a text must be, wherever it comes from: a flag, a variable or a file. Each gives the value or a Refusal.
 */

/** Named in the documentation, and not built yet. */
const PLANNED_TARGETS = ['docker', 'swarm', 'http', 'lambda', 'cloudrun'];
const PLANNED_STRATEGIES = ['canary', 'bluegreen'];

const LONGEST_WAIT_MS = 24 * 3_600_000;

export function appNameFrom(text: string): string | Refusal {
  return /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(text)
    ? text
    : new Refusal('expected an app name: lower-case letters, digits and hyphens, at most 63');
}

export function regionFrom(text: string): string | Refusal {
  return /^[a-z][a-z0-9-]{1,30}$/.test(text) ? text : new Refusal('expected a region such as "ams"');
}

/** Only that it is one word, or names a file: what a reference is, the search knows. */
export function imageFrom(text: string): string | Refusal {
  return /^(?:\S{1,4096}|(?:oci|docker-archive):.{1,4096})$/.test(text)
    ? text
    : new Refusal('expected an image reference');
}

export function targetFrom(text: string): TargetName | Refusal {
  return choiceFrom(text, TARGET_NAMES, PLANNED_TARGETS, 'target');
}

export function strategyFrom(text: string): Strategy | Refusal {
  return choiceFrom(text, STRATEGIES, PLANNED_STRATEGIES, 'strategy');
}

export function provenanceFrom(text: string): 'off' | 'min' | 'max' | Refusal {
  if (text === 'off' || text === 'min' || text === 'max') return text;
  return new Refusal('expected off, min or max');
}

/** @returns milliseconds, at most a day */
export function durationFrom(text: string): number | Refusal {
  try {
    const ms = parseDuration(text, '');
    return ms <= LONGEST_WAIT_MS ? ms : new Refusal('expected at most 24h');
  } catch (error) {
    if (error instanceof DeployerError) return new Refusal('expected a duration such as 90s, 5m or 1h30m');
    throw error;
  }
}

/**
 * As `durationFrom`, of a file: there a bare number counts other units by the key (in checks milliseconds, else even
 * nanoseconds for flyctl, which takes no text without a unit), so that only a reader could guess what is meant.
 */
export function unitDurationFrom(text: string): number | Refusal {
  const [, number] = /^\s*0*(\d+)\s*$/.exec(text) ?? [];
  return number === undefined || number === '0'
    ? durationFrom(text)
    : new Refusal(`it has no unit; write "${number.slice(0, 20)}s" for seconds`);
}

/** @returns milliseconds, more than none and at most a day */
export function waitTimeoutFrom(text: string): number | Refusal {
  return someTime(durationFrom(text));
}

export function someTime(ms: number | Refusal): number | Refusal {
  return ms === 0 ? new Refusal('expected more than no time') : ms;
}

/** As shells and runtimes take it; with dots and hyphens, because some frameworks read such names. */
export function isVariableName(name: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_.-]*$/.test(name);
}

/** A variable's value may be any text but one: the operating system ends it at a NUL. */
export function isVariableValue(value: string): boolean {
  return !value.includes('\0');
}

function choiceFrom<T extends string>(
  text: string,
  built: readonly T[],
  planned: readonly string[],
  noun: string,
): T | Refusal {
  const choice = built.find((name) => name === text);
  if (choice !== undefined) return choice;
  const choices = `expected ${built.join(' or ')}`;
  const reason = planned.includes(text) ? `this ${noun} is not built yet; ${choices}` : choices;
  return new Refusal(reason, built[0]);
}
