// Runs mocha in one process, or in several side by side: most tests wait for a server, an engine or a program more
// than they compute, and would leave the second processor idle.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import { RUN_VARIABLE, survivorsOf } from '../test/support/survivors.mjs';

/** What test/support/reporter.ts says last. */
const SUMMARY = /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/;

/**
 * Each lane is a mocha process with a run id of its own; what it left behind is ended and makes it fail. One lane has
 * the terminal for itself. Of several, one prints at a time, and their summaries become one, the last line.
 * @param {string[][]} lanes mocha's arguments
 * @returns {Promise<number>} the exit code
 */
export async function runLanes(lanes) {
  const started = lanes.map((args) => startLane(args, lanes.length > 1));
  let status = 0;
  for (const lane of started) {
    lane.show();
    const code = await lane.ended;
    status ||= code;
  }
  if (lanes.length > 1) console.log(sumOf(started.map(({ summary }) => summary())));
  return status;
}

/** @param {string[]} args @param {boolean} takesTurns */
function startLane(args, takesTurns) {
  const id = randomUUID();
  const child = spawn(process.execPath, ['node_modules/mocha/bin/mocha.js', ...args], {
    stdio: takesTurns ? ['ignore', 'pipe', 'pipe'] : 'inherit',
    env: { ...process.env, [RUN_VARIABLE]: id },
  });
  /** @type {string[] | undefined} Until it is its turn. */
  let held = takesTurns ? [] : undefined;
  /** @type {string | undefined} */
  let summary;
  const say = (/** @type {string} */ line) => {
    if (held !== undefined) held.push(line);
    // The last line of stdout is the summary.
    else if (takesTurns) console.log(line);
    else console.error(line);
  };
  for (const output of [child.stdout, child.stderr]) {
    if (output === null) continue;
    createInterface({ input: output }).on('line', (line) => {
      if (SUMMARY.test(line)) summary = line;
      else say(line);
    });
  }
  return {
    show() {
      for (const line of held ?? []) console.log(line);
      held = undefined;
    },
    summary: () => summary,
    ended: new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => {
        const left = endSurvivors(id, say);
        if (takesTurns && summary === undefined)
          say(`mocha ended with ${code} in the middle: ${args.join(' ')}`);
        resolve(code === 0 && left === 0 ? 0 : code || 1);
      });
    }),
  };
}

/** @param {string} id @param {(line: string) => void} say @returns how many there were */
function endSurvivors(id, say) {
  const survivors = survivorsOf(id);
  for (const { pid, command } of survivors) {
    say(`left by the tests, ended now: process ${pid}: ${command}`);
    process.kill(pid, 'SIGKILL');
  }
  return survivors.length;
}

/** A lane without a summary ended in the middle. @param {(string | undefined)[]} summaries */
function sumOf(summaries) {
  const [passed, failed, skipped] = [1, 2, 3].map((at) =>
    summaries.reduce((sum, line) => sum + Number(SUMMARY.exec(line ?? '0 passed, 1 failed')?.[at] ?? 0), 0),
  );
  return `${passed} passed, ${failed} failed${skipped === 0 ? '' : `, ${skipped} skipped`}`;
}
