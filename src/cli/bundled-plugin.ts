import type { Command } from '@oclif/core/command';
import type { Manifest, PJSON, Plugin, Topic } from '@oclif/core/interfaces';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Loads a file of the bundle: bin/run.js's way, through V8's code cache. */
export type LoadChunk = (file: string) => unknown;

/**
 * The bundle as oclif's one plugin. oclif's own class looks for files first (package.json upwards, tsconfig, the user's
 * plugins), and sorts by `localeCompare`, for which V8 loads Unicode's collation: together 12 ms. The bundle knows what
 * it is.
 */
export class BundledPlugin implements Plugin {
  readonly _base = '@oclif/core';
  readonly type = 'core';
  readonly moduleType = 'commonjs';
  readonly isRoot = true;
  readonly valid = true;
  readonly hasManifest = true;
  readonly commandsDir = undefined;
  readonly hooks = {};
  readonly name: string;
  readonly alias: string;
  readonly version: string;
  readonly root: string;
  readonly options: Plugin['options'];
  readonly pjson: PJSON;
  readonly commandIDs: string[];
  readonly commands: Command.Loadable[];
  readonly #loadChunk: LoadChunk;

  /** @param root the bundle's folder, with its package.json and oclif.manifest.json */
  constructor(root: string, loadChunk: LoadChunk) {
    this.root = root;
    this.#loadChunk = loadChunk;
    this.pjson = readJson(join(root, 'package.json')) as PJSON;
    this.options = { root, isRoot: true, pjson: this.pjson };
    this.name = this.pjson.name;
    this.alias = this.name;
    this.version = this.pjson.version;
    const { commands } = readJson(join(root, 'oclif.manifest.json')) as Manifest;
    this.commandIDs = Object.keys(commands);
    this.commands = Object.values(commands).map((command) => ({
      ...command,
      pluginAlias: this.alias,
      pluginType: this.type,
      load: () => Promise.resolve(this.#commandClass(command)),
    }));
  }

  get topics(): Topic[] {
    return Object.entries(this.pjson.oclif.topics ?? {}).map(([name, topic]) => ({ ...topic, name }));
  }

  /** All is there from the beginning. */
  load(): Promise<void> {
    return Promise.resolve();
  }

  findCommand(id: string): Promise<Command.Class> {
    const command = this.commands.find((found) => found.id === id);
    if (command === undefined) return Promise.reject(new Error(`the bundle has no command ${id}`));
    return command.load();
  }

  #commandClass({ id, relativePath = [] }: Command.Cached): Command.Class {
    const module = this.#loadChunk(join(this.root, ...relativePath)) as { readonly default: Command.Class };
    return Object.assign(module.default, { id, plugin: this });
  }
}

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(file, 'utf8'));
}
