import { cleanLine } from '../lib/text.js';
import { describeAnswer, type RegistryAnswer } from '../registry/answer.js';

export type TagList =
  | { readonly status: 'listed'; readonly tags: readonly string[] }
  | { readonly status: 'no-repository' }
  | { readonly status: 'unknown'; readonly why: string };

/** Reads the answer to `tags/list`. 404 NAME_UNKNOWN is the one place where a registry tells repository from tag. */
export function readTags(answer: RegistryAnswer): TagList {
  if (answer.status === 404) return { status: 'no-repository' };
  if (answer.status !== 200 || answer.html) return { status: 'unknown', why: describeAnswer(answer) };
  let value: unknown;
  try {
    value = JSON.parse(answer.bytes.toString('utf8'));
  } catch {
    return { status: 'unknown', why: `${describeAnswer(answer)}, which is no tag list` };
  }
  // distribution 2.8 writes null for a repository whose tags were all deleted.
  const tags = (value as { tags?: unknown } | null)?.tags ?? [];
  if (!Array.isArray(tags))
    return { status: 'unknown', why: `${describeAnswer(answer)}, which is no tag list` };
  return {
    status: 'listed',
    tags: tags.filter((tag) => typeof tag === 'string').map((tag) => cleanLine(tag, 128)),
  };
}

/** The tags most like the wanted one, best first. */
export function nearestTags(wanted: string, tags: readonly string[], count: number): string[] {
  return tags
    .map((tag) => ({ tag, distance: distance(wanted, tag) }))
    .sort((a, b) => a.distance - b.distance || compareTags(b.tag, a.tag))
    .slice(0, count)
    .map(({ tag }) => tag);
}

/** Numbers by value, so that of equally near tags `main-42` comes before `main-9`. */
function compareTags(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}

/** Levenshtein's distance over one row; tags are at most 128 characters. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const change = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
