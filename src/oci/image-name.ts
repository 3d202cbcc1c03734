/**
 * Whether an image that is called `name` where it lies is what `wanted` means: the name, its end (`v1`, `app:v1`), or
 * the name with the registry that it leaves out.
 */
export function isMeant(name: string, wanted: string): boolean {
  return (
    name === wanted ||
    name.endsWith(`:${wanted}`) ||
    name.endsWith(`/${wanted}`) ||
    wanted.endsWith(`/${name}`)
  );
}

/** As it is written for short, and taken: `foo:v1` for `docker.io/library/foo:v1`. */
export function shortName(name: string): string {
  return name.replace(/^docker\.io\/(?:library\/(?=[^/]+$))?/, '');
}
