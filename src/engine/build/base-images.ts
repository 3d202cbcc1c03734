import { instructionsOf } from './dockerfile-lines.js';
import { parseReference } from '../../oci/reference.js';

/**
 * The registries that a Dockerfile's images come from: of its FROM lines and of COPY --from. A name that hangs on
 * what only the build knows is left out.
 * @param buildArgs what the ARGs before the first FROM are set to
 */
export function registriesOf(dockerfile: string, buildArgs: Readonly<Record<string, string>>): string[] {
  const args = new Map<string, string>();
  const stages = new Set<string>(['scratch']);
  const images = new Set<string>();
  let inStage = false;
  for (const { text } of instructionsOf(dockerfile)) {
    const [keyword, ...words] = text.split(' ');
    const operands = words.filter((word) => !word.startsWith('--'));
    if (keyword === 'ARG' && !inStage) {
      for (const word of words) declare(word, buildArgs, args);
    } else if (keyword === 'FROM') {
      inStage = true;
      const [image = '', as = '', stage = ''] = operands;
      const name = substitute(unquoted(image), args);
      if (name !== undefined && !stages.has(name.toLowerCase())) images.add(name);
      if (/^as$/i.test(as)) stages.add(stage.toLowerCase());
    } else if (keyword === 'COPY') {
      const from = words.find((word) => word.startsWith('--from='))?.slice('--from='.length);
      if (from !== undefined && !stages.has(from.toLowerCase()) && !/^\d+$/.test(from)) images.add(from);
    }
  }
  return [...new Set([...images].flatMap(domainOf))];
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

/** The build says itself what is wrong with a name. */
function domainOf(image: string): string[] {
  try {
    return [parseReference(image).domain];
  } catch {
    return [];
  }
}
