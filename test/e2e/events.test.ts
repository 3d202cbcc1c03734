import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import type { TimedDeployEvent } from '../../src/deploy/events.js';
import { documentIn } from '../support/json-documents.js';
import { setStage, type PushedImage, type Stage } from '../support/stage.js';

const UNTIL_FOUND = [
  'step.started verify',
  'step.succeeded verify',
  'step.started search',
  'step.succeeded search',
  'step.started adapt',
  'step.succeeded adapt',
  'plan',
];
const UNTIL_RELEASED = [
  ...UNTIL_FOUND,
  'step.skipped build',
  'step.skipped push',
  'step.started release',
  'release.started',
];

/** Each line is one event, of a time that is not before the one above. */
function eventsIn(text: string): readonly TimedDeployEvent[] {
  expect(text).to.match(/\n$/);
  const events = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as TimedDeployEvent);
  const times = events.map(({ time }) => time);
  for (const time of times) expect(new Date(time).toISOString()).to.equal(time);
  expect(times).to.deep.equal([...times].sort());
  return events;
}

/** The events' types and steps, without what is said on the way. */
function course(events: readonly TimedDeployEvent[]): readonly string[] {
  return events
    .filter(({ type }) => type !== 'step.progress' && type !== 'step.log')
    .map((event) => ('step' in event ? `${event.type} ${event.step}` : event.type));
}

describe('--events', function () {
  this.timeout(60_000);
  let stage: Stage;
  let good: PushedImage;
  let bad: PushedImage;

  before(async () => {
    stage = await setStage();
    [good, bad] = await Promise.all([stage.push('good'), stage.push('bad', { fate: 'out of memory' })]);
  });
  after(() => stage[Symbol.asyncDispose]());

  it('writes a deploy into a file as it goes, from the first step to the result', async () => {
    const file = join(stage.folder, 'events.ndjson');
    const run = await stage.run([
      'deploy',
      '-i',
      good.reference,
      '-e',
      'SECRET=planted',
      '--events',
      file,
      '--json',
    ]);
    expect(run.code, run.stdout).to.equal(0);
    const text = await readFile(file, 'utf8');
    const events = eventsIn(text);
    expect(course(events)).to.deep.equal([
      ...UNTIL_RELEASED,
      'step.succeeded release',
      'release.healthy',
      'done',
    ]);
    const done = events.at(-1) as TimedDeployEvent & { type: 'done' };
    expect(documentIn('deploy', JSON.stringify(done.result))).to.deep.equal(documentIn('deploy', run.stdout));
    const plan = events.find(({ type }) => type === 'plan');
    documentIn('plan', JSON.stringify(plan));
    expect(text).not.to.contain('planted').and.not.to.contain(stage.env['DEPLOYER_API_TOKEN']);
  });

  it('writes to stdout with -, and there nothing else: the line for a person goes to stderr', async () => {
    const run = await stage.run(['deploy', '-a', 'piped', '-i', good.reference, '--events', '-']);
    expect(run.code, run.stderr).to.equal(0);
    expect(eventsIn(run.stdout).at(-1)).to.have.nested.include({
      type: 'done',
      'result.status': 'succeeded',
    });
    expect(run.stderr).to.match(/^v1 is live$/m);
    const both = await stage.run(['deploy', '-i', good.reference, '--events', '-', '--json']);
    expect(both.code).to.equal(2);
    expect(JSON.parse(both.stdout)).to.have.nested.property('error.message').that.contains('--events -');
  });

  it('ends with done when the deploy fails or only plans, too', async () => {
    const events = async (...args: string[]): Promise<readonly TimedDeployEvent[]> =>
      eventsIn((await stage.run(['deploy', '-a', 'other', '--events', '-', ...args])).stdout);
    const planned = await events('-i', good.reference, '--dry-run');
    expect(course(planned)).to.deep.equal([...UNTIL_FOUND, 'done']);

    const missing = await events('-i', `${good.reference}-not`);
    expect(course(missing)).to.deep.equal([...UNTIL_FOUND.slice(0, 3), 'step.failed search', 'done']);
    expect(missing.at(-1)).to.have.nested.include({ 'error.code': 'tag_not_found', 'error.exitCode': 3 });

    await events('-i', good.reference);
    const undone = await events('-i', bad.reference);
    expect(course(undone)).to.deep.equal([
      ...UNTIL_RELEASED,
      'release.failed',
      'release.rolled-back',
      'step.failed release',
      'done',
    ]);
    expect(undone.at(-1)).to.have.nested.include({
      'result.status': 'rolled-back',
      'error.code': 'release_rolled_back',
      'error.exitCode': 8,
    });
    expect(undone.find(({ type }) => type === 'release.failed')).to.include({ undoing: true });
  });
});
