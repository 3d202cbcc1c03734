import type { ErrorCode } from '../../lib/errors.js';
import { describeLogin, loginMends, loginOf, readAccess, writeAccess } from '../../lib/login.js';
import type { AskedLogins } from '../login.js';
import { registriesOf, registryOfStep, type DockerfileAt } from './base-images.js';
import { isOfCache } from './step-causes.js';

export interface BaseRefusal {
  readonly code: ErrorCode;
  /** The engine's words. */
  readonly reason: string;
  /** The step that failed. */
  readonly step: string | undefined;
  readonly dockerfile: DockerfileAt;
  /** Of the registries that the build had to do with. */
  readonly logins: AskedLogins;
}

/** Whose login a registry did not accept for a base image, or for the cache, and what mends that. */
export function baseRefused(refusal: BaseRefusal): {
  readonly evidence: readonly string[];
  readonly suggestions: readonly string[];
} {
  const host = hostOf(refusal);
  const ofCache = isOfCache(refusal.step);
  const what = ofCache ? 'the cache' : 'the base image';
  const name = `check the name in ${ofCache ? '--cache-to' : 'the FROM line'}`;
  if (host === undefined) {
    return {
      evidence: [],
      suggestions: [`log in to the registry of ${what}: docker login HOST`, name],
    };
  }
  const login = refusal.logins.get(host);
  const asked = login && loginOf(login);
  // Who is nobody is told that something is denied to them, too.
  const [mend = '', ...others] =
    refusal.code === 'registry_denied' && asked !== undefined
      ? [(ofCache ? writeAccess : readAccess)(what, host, asked)]
      : loginMends(asked, host);
  return {
    evidence: asked === undefined ? [] : [describeLogin(asked)],
    suggestions: [mend, name, ...others],
  };
}

/** What the step is about, else what the engine names, else the only one that the Dockerfile or the build has. */
function hostOf({ reason, step = '', dockerfile, logins }: BaseRefusal): string | undefined {
  const asked = registryOfStep(step, dockerfile);
  if (asked !== undefined) return asked;
  const based = registriesOf(dockerfile.text, dockerfile.buildArgs);
  const hosts = [...new Set([...logins.keys(), ...based])];
  const named = hosts.filter((host) => reason.includes(host)).sort((a, b) => b.length - a.length);
  if (named[0] !== undefined) return named[0];
  return [based, [...logins.keys()]].find((some) => some.length === 1)?.[0];
}
