/** `team/app`, validated by the specification's expression: safe in a path. */
export type RepositoryName = string & { readonly __repositoryName: unique symbol };

/** `v1.2`, validated: safe in a path. */
export type Tag = string & { readonly __tag: unique symbol };

// distribution-spec, "Pulling manifests". Each separator is unlike what follows it, so this can't backtrack far.
const COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const NAME = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`);
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
const UPLOAD_ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Clients limit host and name to 255 together; no component can then be longer than a file name may be. */
const NAME_LIMIT = 255;

export function isRepositoryName(text: string): text is RepositoryName {
  return text.length <= NAME_LIMIT && NAME.test(text);
}

export function isTag(text: string): text is Tag {
  return TAG.test(text);
}

export function isUploadId(text: string): boolean {
  return UPLOAD_ID.test(text);
}
