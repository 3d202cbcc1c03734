import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PROJECT } from './program.js';
import { makeTempFolder, type TempFolder } from './temp-folder.js';

const PACKAGE = {
  name: 'host',
  version: '3.2.1',
  type: 'module',
  oclif: {
    bin: 'host',
    dirname: 'host',
    commands: './commands',
    topicSeparator: ' ',
    plugins: ['@deployer/cli'],
    hooks: { command_not_found: './hooks/command-not-found.js' },
  },
  dependencies: { '@deployer/cli': '*', '@oclif/core': '*' },
};

const FILES = {
  'package.json': JSON.stringify(PACKAGE),
  'bin/run.js': "import { execute } from '@oclif/core';\nawait execute({ dir: import.meta.url });\n",
  'commands/hello.js': `import { Command } from '@oclif/core';
    export default class extends Command {
      async run() {
        await this.parse(this.constructor);
        this.log('hello from the host');
      }
    }`,
  'hooks/command-not-found.js': `export default async function ({ id }) {
      this.error('the host does not know ' + id, { exit: 42 });
    }`,
};

/** Another oclif CLI, with a command and a hook of its own, that has this package as its plugin. */
export async function makePluginHost(): Promise<TempFolder> {
  const folder = await makeTempFolder('host');
  for (const [name, text] of Object.entries(FILES)) {
    const file = join(folder.path, name);
    await mkdir(join(file, '..'), { recursive: true });
    await writeFile(file, text);
  }
  const modules = join(folder.path, 'node_modules');
  await mkdir(join(modules, '@deployer'), { recursive: true });
  await symlink(PROJECT, join(modules, '@deployer/cli'));
  await symlink(join(PROJECT, 'node_modules/@oclif'), join(modules, '@oclif'));
  return folder;
}
