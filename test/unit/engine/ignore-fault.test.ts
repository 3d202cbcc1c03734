import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { ignoreFault } from '../../../src/engine/context/left-out.js';
import { makeContext } from '../../support/build-context.js';

describe('a malformed pattern of an ignore file', () => {
  it('is told with the file and its line, of the file that the build goes by', async () => {
    await using context = await makeContext({
      '.dockerignore': '\uFEFF# a comment with [\n*.md\n  [a-  \n',
      Dockerfile: 'FROM x',
    });
    const own = { folder: context.path, name: 'Dockerfile' };
    const fault = await ignoreFault(context.path, own);
    expect(fault).to.include({ code: 'usage', exit: 2 });
    expect(fault?.message).to.equal(`${context.path}/.dockerignore:3: the pattern "[a-" is malformed`);
    await writeFile(join(context.path, 'Dockerfile.dockerignore'), '!\n');
    expect((await ignoreFault(context.path, own))?.message).to.equal(
      `${context.path}/Dockerfile.dockerignore:1: the pattern "!" is malformed`,
    );
    await writeFile(join(context.path, 'Dockerfile.dockerignore'), 'fine\n');
    expect(await ignoreFault(context.path, own)).to.equal(undefined);
  });
});
