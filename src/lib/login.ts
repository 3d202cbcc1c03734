/** The variable whose credentials go before those of any file. */
export const AUTH_VARIABLE = 'DOCKER_AUTH_CONFIG';

/** Whose credentials a registry was asked with, for messages: nothing of what is secret in them. */
export interface Login {
  /** A file's path, a variable, a helper's name. */
  readonly source: string;
  readonly user?: string;
}

/** A token that was put in the place of a name is longer than this, or holds what names do not. */
const USER = /^[\w.@+-]{1,32}$/;

/** @param credential what is secret in it is left out */
export function loginOf({
  source,
  username,
}: {
  readonly source: string;
  readonly username?: string;
}): Login {
  return username !== undefined && USER.test(username) ? { source, user: username } : { source };
}

/** `asked as robot, with the login of /home/me/.docker/config.json` */
export function describeLogin({ source, user }: Login): string {
  return user === undefined
    ? `asked with the login of ${source}`
    : `asked as ${user}, with the login of ${source}`;
}

/** What mends a login that is not accepted; of none, what makes one. */
export function loginMends(login: Pick<Login, 'source'> | undefined, host: string): string[] {
  if (login?.source === AUTH_VARIABLE) return [mendVariable()];
  return [
    `log in: docker login ${host}`,
    `in CI: put docker's config.json into the variable ${AUTH_VARIABLE}`,
  ];
}

export function mendVariable(): string {
  return `mend or unset ${AUTH_VARIABLE}: it goes before what docker login keeps`;
}

/** What lets a login that lacks the right push. */
export function writeAccess(path: string, host: string, login: Pick<Login, 'source'> | undefined): string {
  return `give the account or token write access (push) to ${path}, ${otherLogin(login, host)}`;
}

/** What lets a login that lacks the right pull. */
export function readAccess(path: string, host: string, login: Pick<Login, 'source'> | undefined): string {
  return `give the account or token read access (pull) to ${path}, ${otherLogin(login, host)}`;
}

/** Where another account's credentials go. */
function otherLogin(login: Pick<Login, 'source'> | undefined, host: string): string {
  return login?.source === AUTH_VARIABLE
    ? `or put another login into ${AUTH_VARIABLE}`
    : `or log in as another: docker login ${host}`;
}
