import type { ErrorCode } from '../../lib/errors.js';
import { describeLogin, loginMends, loginOf, readAccess } from '../../lib/login.js';
import type { AskedLogins } from '../login.js';
import { registryAskedIn } from './base-images.js';

export interface BaseRefusal {
  readonly code: ErrorCode;
  /** The engine's words. */
  readonly reason: string;
  /** The step that failed. */
  readonly step: string | undefined;
  /** Of the registries that the build had to do with. */
  readonly logins: AskedLogins;
}

/** Whose login a registry did not accept for a base image, and what mends that. */
export function baseRefused(refusal: BaseRefusal): {
  readonly evidence: readonly string[];
  readonly suggestions: readonly string[];
} {
  const host = hostOf(refusal);
  const name = 'check the name in the FROM line';
  if (host === undefined) {
    return {
      evidence: [],
      suggestions: ['log in to the registry of the base image: docker login HOST', name],
    };
  }
  const login = refusal.logins.get(host);
  const asked = login && loginOf(login);
  // Who is nobody is told that something is denied to them, too.
  const [mend = '', ...others] =
    refusal.code === 'registry_denied' && asked !== undefined
      ? [readAccess('the base image', host, asked)]
      : loginMends(asked, host);
  return {
    evidence: asked === undefined ? [] : [describeLogin(asked)],
    suggestions: [mend, name, ...others],
  };
}

function hostOf({ reason, step = '', logins }: BaseRefusal): string | undefined {
  const asked = registryAskedIn(step);
  if (asked !== undefined) return asked;
  const hosts = [...logins.keys()];
  const named = hosts.filter((host) => reason.includes(host)).sort((a, b) => b.length - a.length);
  return named[0] ?? (hosts.length === 1 ? hosts[0] : undefined);
}
