import { instructionsOf } from './dockerfile-lines.js';
import { manifestNameOf, parseReference, repositoryOf, type Reference } from '../../oci/reference.js';

interface BaseImage {
  /** Where it is named first; from 1. */
  readonly line: number;
  readonly reference: Reference;
}

/**
 * The registries that a Dockerfile's images come from: of its FROM lines and of COPY --from. A name that hangs on
 * what only the build knows is left out.
 * @param buildArgs what the ARGs before the first FROM are set to
 */
export function registriesOf(dockerfile: string, buildArgs: Readonly<Record<string, string>>): string[] {
  return [...new Set(baseImagesOf(dockerfile, buildArgs).map(({ reference }) => reference.domain))];
}

/**
 * The line that names the image which a step asks a registry about.
 * @param step `[internal] load metadata for docker.io/library/alpine:latest`
 * @returns undefined for any other step, and for an image whose name only the build knows
 */
export function lineOfBaseImage(
  dockerfile: string,
  buildArgs: Readonly<Record<string, string>>,
  step: string,
): number | undefined {
  const asked = askedIn(step);
  if (asked === undefined) return undefined;
  return baseImagesOf(dockerfile, buildArgs).find(({ reference }) => isSame(reference, asked))?.line;
}

/**
 * The registry of the base image that a step is about: which it names itself (`[1/2] FROM HOST/NAME`, or as of
 * `lineOfBaseImage`), else the only one on its line of the Dockerfile.
 */
export function registryOfStep(step: string, { text, line, buildArgs }: DockerfileAt): string | undefined {
  const asked = askedIn(step);
  if (asked !== undefined) return asked.domain;
  const [, from = ''] = /^\[[^\]]*\] FROM (?:--\S+ )*(\S+)/.exec(step) ?? [];
  const here = baseImagesOf(text, buildArgs).filter((image) => image.line === line);
  const domains = [...new Set(here.map(({ reference }) => reference.domain))];
  if (domains.length === 1) return domains[0];
  return from.includes('$') ? undefined : referenceIn(from)[0]?.domain;
}

/** A Dockerfile, and the line of it that a step comes from, where that is known. */
export interface DockerfileAt {
  readonly text: string;
  readonly line: number | undefined;
  /** What the ARGs before the first FROM are set to. */
  readonly buildArgs: Readonly<Record<string, string>>;
}

function askedIn(step: string): Reference | undefined {
  const [, name] = /^\[internal\] load metadata for (\S+)$/.exec(step) ?? [];
  return name === undefined ? undefined : referenceIn(name)[0];
}

function isSame(one: Reference, other: Reference): boolean {
  return repositoryOf(one) === repositoryOf(other) && manifestNameOf(one) === manifestNameOf(other);
}

function baseImagesOf(dockerfile: string, buildArgs: Readonly<Record<string, string>>): BaseImage[] {
  const args = new Map<string, string>();
  const stages = new Set<string>(['scratch']);
  const images: BaseImage[] = [];
  let inStage = false;
  for (const { line, text } of instructionsOf(dockerfile)) {
    const add = (name: string): void => {
      for (const reference of referenceIn(name)) images.push({ line, reference });
    };
    const [keyword, ...words] = text.split(' ');
    const operands = words.filter((word) => !word.startsWith('--'));
    if (keyword === 'ARG' && !inStage) {
      for (const word of words) declare(word, buildArgs, args);
    } else if (keyword === 'FROM') {
      inStage = true;
      const [image = '', as = '', stage = ''] = operands;
      const name = substitute(unquoted(image), args);
      if (name !== undefined && !stages.has(name.toLowerCase())) add(name);
      if (/^as$/i.test(as)) stages.add(stage.toLowerCase());
    } else if (keyword === 'COPY') {
      const from = words.find((word) => word.startsWith('--from='))?.slice('--from='.length);
      if (from !== undefined && !stages.has(from.toLowerCase()) && !/^\d+$/.test(from)) add(from);
    }
  }
  return images;
}

function declare(word: string, given: Readonly<Record<string, string>>, args: Map<string, string>): void {
  const at = word.indexOf('=');
  const name = at === -1 ? word : word.slice(0, at);
  const value = given[name] ?? (at === -1 ? undefined : substitute(unquoted(word.slice(at + 1)), args));
  if (value !== undefined) args.set(name, value);
}

/** `$A`, `${A}`, `${A:-default}`, `${A:+other}`; undefined where more would have to be known. */
function substitute(text: string, args: ReadonlyMap<string, string>): string | undefined {
  const done = text.replace(
    /\$(?:(\w+)|\{(\w+)(?::([-+])([^${}]*))?\})/g,
    (_, plain: string | undefined, braced: string | undefined, kind: string | undefined, word = '') => {
      const value = args.get(plain ?? braced ?? '') ?? '';
      if (kind === '+') return value === '' ? '' : String(word);
      return value === '' ? String(word) : value;
    },
  );
  return done.includes('$') || done === '' ? undefined : done;
}

function unquoted(word: string): string {
  return word.replace(/^(["'])(.*)\1$/, '$2');
}

/** None where it is no name: the build says itself what is wrong with it. */
function referenceIn(image: string): Reference[] {
  try {
    return [parseReference(image)];
  } catch {
    return [];
  }
}
