import type { Login } from '../lib/login.js';
import { editDistance } from '../lib/nearest.js';
import { isTag } from '../oci/reference.js';
import { describeAnswer, type RegistryAnswer } from '../registry/answer.js';

export type TagList =
  | {
      readonly status: 'listed';
      readonly tags: readonly string[];
      /** There are more than these. */
      readonly more: boolean;
    }
  | {
      readonly status: 'no-repository';
      /** It was asked with. */
      readonly login?: Login;
    }
  | { readonly status: 'unknown'; readonly why: string };

/**
 * Reads the answer to `tags/list`. 404 NAME_UNKNOWN is the one place where a registry tells repository from tag; a 404
 * without a registry's words comes from something that keeps no tag lists.
 */
export function readTags(answer: RegistryAnswer): TagList {
  if (answer.status === 404 && answer.errors.length > 0) {
    const { login } = answer;
    return { status: 'no-repository', ...(login && { login }) };
  }
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
    // They are shown in commands to copy: only what is a tag may stand there.
    tags: tags.filter((tag) => typeof tag === 'string' && isTag(tag)),
    more: /rel="?next"?/.test(answer.headers['link'] ?? ''),
  };
}

/** The tags most like the wanted one, best first. */
export function nearestTags(wanted: string, tags: readonly string[], count: number): string[] {
  return tags
    .map((tag) => ({ tag, distance: editDistance(wanted, tag) }))
    .sort((a, b) => a.distance - b.distance || compareTags(b.tag, a.tag))
    .slice(0, count)
    .map(({ tag }) => tag);
}

/** Numbers by value, so that of equally near tags `main-42` comes before `main-9`. */
function compareTags(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}
