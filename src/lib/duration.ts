import { DeployerError } from './errors.js';

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * Reads Go-style durations as fly.toml and flyctl write them: `300ms`, `10s`, `5m`, `1h30m`; a bare number
 * means seconds.
 * @param where the flag or key at fault, for the error's message
 * @returns milliseconds
 * @throws DeployerError `usage`
 */
export function parseDuration(input: string, where: string): number {
  const text = input.trim();
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  if (!/^(?:\d{1,9}(?:\.\d{1,3})?(?:ms|s|m|h|d))+$/.test(text)) {
    throw new DeployerError('usage', `${where}: "${input.slice(0, 40)}" is not a duration`, {
      suggestions: ['write for example 90s, 5m or 1h30m'],
    });
  }
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    total += Number(amount) * (UNIT_MS[unit as string] as number);
  }
  return total;
}

/** `0.4s`, `14.2s`, `3m05s`: for people. */
export function formatDuration(ms: number): string {
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)}s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)}m${String(seconds % 60).padStart(2, '0')}s`;
}
