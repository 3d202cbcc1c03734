import { basename } from 'node:path/posix';

/**
 * The ids of the secrets that a RUN instruction mounts. One whose id a build argument decides is left out.
 * @param instruction in one line: `RUN --mount=type=secret,id=token make`
 */
export function mountedSecrets(instruction: string): string[] {
  // BuildKit takes flags between RUN and its command alone.
  const [, flags = ''] = /^RUN ((?:--\S+ )*)/i.exec(instruction) ?? [];
  return [...flags.matchAll(/--mount=(\S+)/gi)].flatMap(([, options = '']) => secretIn(options));
}

function secretIn(options: string): string[] {
  const fields = new Map(
    options.split(',').map((option) => {
      const [key = '', value = ''] = option.split('=', 2);
      return [key.toLowerCase(), value] as const;
    }),
  );
  if (fields.get('type') !== 'secret') return [];
  const target = fields.get('target') ?? fields.get('dst') ?? fields.get('destination') ?? '';
  const id = fields.get('id') || basename(target);
  return id === '' || id.includes('$') ? [] : [id];
}
