import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'chai';
import type Docker from 'dockerode';
import { makeContext } from './build-context.js';
import { printedInContainer } from './docker-engine.js';

export const HARD_LINKS_IMAGE = 'hard-links:1';

/** What is done to a context, and the files that it has then: each name, how many its content has, and the content. */
const CHANGES: readonly (readonly [string, readonly string[]])[] = [
  ['ln b a && mkdir sub && ln b sub/c && ln -s b link', ['./a 3 one', './b 3 one', './sub/c 3 one']],
  ['true', ['./a 3 one', './b 3 one', './sub/c 3 one']],
  ['true', ['./a 3 one', './b 3 one', './sub/c 3 one']],
  ['echo two more > b', ['./a 3 two more', './b 3 two more', './sub/c 3 two more']],
  // As old as the one that it was a name of.
  ['cp -p b x && mv x b', ['./a 2 two more', './b 1 two more', './sub/c 2 two more']],
  ['ln -f a b && chmod 600 a', ['./a 3 two more', './b 3 two more', './sub/c 3 two more']],
  ['rm a', ['./b 2 two more', './sub/c 2 two more']],
  [
    'ln sub/c sub/d && ln b a',
    ['./a 4 two more', './b 4 two more', './sub/c 4 two more', './sub/d 4 two more'],
  ],
  ['rm b && mv a sub/e', ['./sub/c 3 two more', './sub/d 3 two more', './sub/e 3 two more']],
];

/**
 * Builds of one context, again and again: each with another file changed too, so that the engine compares them all.
 * @param build builds `HARD_LINKS_IMAGE` from a folder
 */
export async function followHardLinks(
  base: string,
  docker: Docker,
  build: (context: string) => Promise<void>,
): Promise<void> {
  await using context = await makeContext({
    ...{ Dockerfile: `FROM ${base}\nCOPY . /app\n`, '.dockerignore': 'Dockerfile\n', b: 'one\n' },
  });
  for (const [at, [change, files]] of CHANGES.entries()) {
    await promisify(execFile)('sh', ['-c', `${change} && echo ${at} > n`], { cwd: context.path });
    await build(context.path);
    const list = 'cd /app; for f in $(find . -type f | sort); do echo $(stat -c "%n %h" $f) $(cat $f); done';
    const listed = await printedInContainer(docker, HARD_LINKS_IMAGE, 'sh', '-c', list);
    const expected = ['./.dockerignore 1 Dockerfile', ...files, `./n 1 ${at}`];
    expect(listed.trimEnd().split('\n'), `${at}: ${change}`).to.have.members(expected);
  }
}
