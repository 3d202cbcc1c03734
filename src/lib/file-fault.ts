import { messageOf } from './errors.js';

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'it is not there, or the folder that it is to lie in is not',
  ENOTDIR: 'a part of its path is a file, not a folder',
  EISDIR: 'it is a folder',
  EACCES: 'this user may not (file modes)',
  EPERM: 'this user may not',
  EROFS: 'its file system can only be read',
  ENOSPC: 'the disk is full',
  ELOOP: 'its links lead in a circle',
  ENAMETOOLONG: 'the name is too long',
};

/** Why the system refused a file, in words, with its code: `the disk is full (ENOSPC)`. */
export function fileFault(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const reason = Object.hasOwn(REASONS, code) ? REASONS[code] : undefined;
  return reason === undefined ? messageOf(error) : `${reason} (${code})`;
}
