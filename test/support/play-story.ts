// A program for the tests of the terminal view: plays a deploy's events to the view that fits its streams.
// Arguments: the story, then flags. With PLAY_INTERJECT the command says something during the release,
// with PLAY_EXIT it ends there at once, as at a second Ctrl-C.
import { setTimeout as delay } from 'node:timers/promises';
import { chooseView } from '../../src/ui/choose-view.js';
import { createIo } from '../../src/ui/io.js';
import { STORIES } from './deploy-stories.js';

const [story = '', ...argv] = process.argv.slice(2);
const { env, stdout, stderr } = process;
const drawn = whenDrawn('1/3 healthy');
const view = chooseView(createIo({ argv, env, stdout, stderr }), {});
for (const event of STORIES[story as keyof typeof STORIES]) {
  view.show(event);
  if (event.type === 'step.started' || event.type === 'step.progress') await delay(150);
  if (event.type === 'step.progress' && env['PLAY_EXIT']) {
    await drawn;
    process.exit(0);
  }
  if (event.type === 'step.progress' && env['PLAY_INTERJECT'])
    view.interject('Interrupted: putting v11 back');
}
await view.close();
stderr.write(`ends with failure: ${view.endsWithFailure}\n`);

/** Resolves when the view has written this to the terminal. */
function whenDrawn(text: string): Promise<void> {
  const write = stderr.write.bind(stderr);
  return new Promise((resolve) => {
    stderr.write = (chunk: string | Uint8Array, ...rest: never[]): boolean => {
      if (String(chunk).includes(text)) resolve();
      return write(chunk, ...rest);
    };
  });
}
