import { expect } from 'chai';
import type { DeployEvent } from '../../../src/deploy/events.js';
import { LeftBehind } from '../../../src/deploy/left-behind.js';
import type { PlanDocument } from '../../../src/deploy/plan.js';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const UNTIL_PUSH: readonly DeployEvent[] = [
  { type: 'step.started', step: 'build', title: 'Build image' },
  { type: 'step.succeeded', step: 'build', summary: '1 step', durationMs: 1 },
  { type: 'step.started', step: 'push', title: 'Push image' },
];
const PUSHED: DeployEvent = {
  ...{ type: 'step.succeeded', step: 'push', summary: 'Docker manifest sha256:aaaaaaaa…', durationMs: 1 },
};
const RELEASE: readonly DeployEvent[] = [
  planned({ requested: 'r.example/shop:v1', deployed: `r.example/shop@${DIGEST}`, digest: DIGEST }),
  { type: 'step.started', step: 'release', title: 'Release v2' },
];
const STARTED: DeployEvent = {
  type: 'release.started',
  release: { id: 'r2', version: 2, previous: 1, lastHealthy: 1 },
  ...{ units: 1, lockLifeMs: 13_000 },
};

describe('what a deploy that is stopped undoes and leaves', () => {
  const after = (...events: readonly DeployEvent[]): LeftBehind => following({ rollback: true }, events);

  it('is a build or a push that ends, and nothing put back before a machine is changed', () => {
    expect(after().undoing).to.equal('stopping');
    expect(after(...UNTIL_PUSH.slice(0, 1)).undoing).to.equal('ending the build');
    expect(after(...UNTIL_PUSH).undoing).to.equal('ending the push');
    expect(after(...UNTIL_PUSH, PUSHED, ...RELEASE).undoing).to.equal('stopping');
    expect(after(...RELEASE, STARTED).undoing).to.equal('putting back what was there');
    const kept = following({ rollback: false }, [...RELEASE, STARTED]);
    expect(kept.undoing).to.equal('leaving the machines as they are');
  });

  it('is, of an image that was pushed, the image: by digest', () => {
    expect(after(...UNTIL_PUSH).describe().evidence).to.deep.equal([
      'no machine was changed; locks that were taken end by themselves',
    ]);
    const image = `the image was pushed, and stays in its registry: r.example/shop@${DIGEST}`;
    expect(after(...UNTIL_PUSH, PUSHED, ...RELEASE).describe().evidence).to.include(image);
    const { evidence, suggestions } = after(...UNTIL_PUSH, PUSHED, ...RELEASE, STARTED).describe();
    expect(evidence).to.include(image);
    expect(suggestions).to.include('deployer release rollback v1 -a shop');
  });
});

function following(request: { readonly rollback: boolean }, events: readonly DeployEvent[]): LeftBehind {
  const left = new LeftBehind('shop', request);
  for (const event of events) left.show({ time: '2026-11-28T00:00:00.000Z', ...event });
  return left;
}

function planned(image: object): DeployEvent {
  return { type: 'plan', plan: { image } as PlanDocument };
}
