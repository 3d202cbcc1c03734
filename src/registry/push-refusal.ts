import { DeployerError } from '../lib/errors.js';
import { describeLogin, loginMends, writeAccess } from '../lib/login.js';
import { describeAnswer, type RegistryAnswer } from './answer.js';
import { refusalOf } from './refusal.js';
import type { RepositoryAccess } from './requests.js';

/**
 * Turns a refused write into the error that explains it.
 * @param what for the sentence "the registry HOST did not take WHAT": `the blob sha256:...`
 */
export function pushRefusalOf(
  answer: RegistryAnswer,
  { domain, path }: RepositoryAccess,
  what: string,
): DeployerError {
  const { status } = answer;
  // What stands before the registry, and its limits, are the same for who reads and who writes.
  if (answer.html || status === 407 || status === 429) return refusalOf(answer, { domain, path });
  const { login } = answer;
  const evidence = [describeAnswer(answer)];
  const asWhom = [...evidence, ...(login === undefined ? [] : [describeLogin(login)])];
  if (status === 401) {
    return new DeployerError(
      'registry_unauthorized',
      answer.authorized
        ? `the registry ${domain} does not accept the credentials (or token) it was given for a push to ${path}`
        : `the registry ${domain} takes no push without credentials, and none were found`,
      { evidence: asWhom, suggestions: loginMends(login, domain) },
    );
  }
  if (status === 403) {
    return new DeployerError(
      'registry_denied',
      `the registry ${domain} knows who asks, but does not let them push to ${path}`,
      {
        evidence: asWhom,
        suggestions: [writeAccess(path, domain, login)],
      },
    );
  }
  return new DeployerError('push_failed', `the registry ${domain} did not take ${what}`, {
    evidence,
    suggestions: suggestionsFor(answer, path),
  });
}

function suggestionsFor({ status, errors }: RegistryAnswer, path: string): string[] {
  if (status === 404 && errors.every(({ code }) => code === 'NAME_UNKNOWN'))
    return [`create the repository ${path} first: some registries do not do that by themselves`];
  if (status === 405) return ['push to another registry: this one is a mirror or cache that is only read'];
  if (status === 413)
    return ['raise the limit of the proxy before the registry (nginx: client_max_body_size 0)'];
  if (status === 507) return ["the registry's disk or quota is full: delete what is not used there"];
  if (status >= 500) return ["try again in a moment; the registry's log or status page may tell more"];
  return [];
}
