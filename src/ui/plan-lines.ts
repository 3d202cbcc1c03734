import type { PlanDocument } from '../deploy/plan.js';

/** `deploy --dry-run` for a person: each step, and every write that would follow. */
export function planLines({ app, target, image, steps, writes }: PlanDocument): string[] {
  const title = `Plan for ${app} on ${target}: ${image.requested}${deployedAs(image)}`;
  const wide = Math.max(...writes.map(({ method }) => method.length), 0);
  return [
    title,
    // Of a step that does what it is called, once is enough.
    ...steps.map(({ step, action, summary }) => {
      const what = action === step ? '' : action;
      return `  ${step.padEnd(8)} ${what.padEnd(8)} ${summary}`;
    }),
    writes.length === 0 ? 'Nothing would be written.' : 'It would write:',
    ...writes.map(({ method, url, summary }) => `  ${method.padEnd(wide)} ${url}  ${summary}`),
    'Nothing was changed (--dry-run).',
  ];
}

function deployedAs({ requested, digest, deployed }: PlanDocument['image']): string {
  if (digest === undefined) return ', by the digest that it is built with';
  return deployed === requested ? '' : ` as ${deployed}`;
}
