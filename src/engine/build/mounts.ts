import { basename } from 'node:path/posix';

/**
 * The ids of the secrets or the ssh agents that a RUN instruction mounts. One whose id a build argument decides is left out.
 * @param instruction in one line: `RUN --mount=type=secret,id=token make`
 */
export function mountedIn(instruction: string, type: 'secret' | 'ssh'): string[] {
  // BuildKit takes flags between RUN and its command alone.
  const [, flags = ''] = /^RUN ((?:--\S+ )*)/i.exec(instruction) ?? [];
  return [...flags.matchAll(/--mount=(\S+)/gi)].flatMap(([, options = '']) => idIn(options, type));
}

function idIn(options: string, type: 'secret' | 'ssh'): string[] {
  const fields = new Map(
    options.split(',').map((option) => {
      const [key = '', value = ''] = option.split('=', 2);
      return [key.toLowerCase(), value] as const;
    }),
  );
  if (fields.get('type') !== type) return [];
  const target = fields.get('target') ?? fields.get('dst') ?? fields.get('destination') ?? '';
  const id = fields.get('id') || (type === 'ssh' ? 'default' : basename(target));
  return id === '' || id.includes('$') ? [] : [id];
}
