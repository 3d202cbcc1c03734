import type { PlanDocument } from '../deploy/plan.js';

/** `deploy --dry-run` for a person: each step, and every write that would follow. */
export function planLines({ app, target, image, steps, writes }: PlanDocument): string[] {
  const what =
    image.digest === undefined
      ? `${image.requested}, by the digest that it is built with`
      : `${image.requested} as ${image.deployed}`;
  const title = `Plan for ${app} on ${target}: ${what}`;
  const wide = Math.max(...writes.map(({ method }) => method.length), 0);
  return [
    title,
    ...steps.map(({ step, action, summary }) => `  ${step.padEnd(8)} ${action.padEnd(8)} ${summary}`),
    writes.length === 0 ? 'Nothing would be written.' : 'It would write:',
    ...writes.map(({ method, url, summary }) => `  ${method.padEnd(wide)} ${url}  ${summary}`),
    'Nothing was changed (--dry-run).',
  ];
}
