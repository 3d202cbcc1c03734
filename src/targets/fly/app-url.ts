import type { FlyState } from './plan.js';

/** Fly's own API, from outside and from inside its private network. */
const FLY_HOST = /^(?:api\.machines\.dev|.*\.internal)$/;

/**
 * Where people reach the app: what the API says, or Fly's domain for its own API.
 * @returns undefined when no machine serves the web, or when nobody can tell
 */
export function appUrl(state: FlyState): string | undefined {
  const serves = state.machines.some((machine) =>
    machine.config?.services?.some((service) =>
      service.ports?.some(({ port }) => port === 80 || port === 443),
    ),
  );
  if (!serves) return undefined;
  if (state.url !== undefined) return state.url;
  return FLY_HOST.test(new URL(state.apiUrl).hostname) ? `https://${state.app}.fly.dev` : undefined;
}
