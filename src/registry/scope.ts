/**
 * Joins scopes of distribution's grammar (`repository:team/app:pull,push`): one for each resource, its actions united.
 * What does not follow the grammar is kept as it is.
 */
export function uniteScopes(...lists: readonly (readonly string[])[]): string[] {
  const resources = new Map<string, Set<string>>();
  for (const scope of lists.flat()) {
    // A name may hold a colon (a port): the actions are what follows the last one.
    const colon = scope.lastIndexOf(':');
    const resource = colon === -1 ? scope : scope.slice(0, colon);
    const actions = resources.get(resource) ?? new Set();
    if (colon !== -1) for (const action of scope.slice(colon + 1).split(',')) actions.add(action);
    resources.set(resource, actions);
  }
  return [...resources].map(([resource, actions]) =>
    actions.size === 0 ? resource : `${resource}:${[...actions].sort().join(',')}`,
  );
}

/** The scopes of a challenge: between blanks (RFC 6750, 3). */
export function splitScopes(scope: string | undefined): string[] {
  return scope?.split(' ').filter((one) => one !== '') ?? [];
}

/** What a token was asked for, and what the registry wanted (RFC 6750, 3). */
export interface RefusedScopes {
  readonly asked: readonly string[];
  readonly named: readonly string[];
}
