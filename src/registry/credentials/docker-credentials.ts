import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DeployerError } from '../../lib/errors.js';
import { AUTH_VARIABLE } from '../../lib/login.js';
import { entryFor, helperFor, parseAuthFile, type AuthFile } from './auth-file.js';
import { askHelper } from './credential-helper.js';
import type { Credential, CredentialSource } from './credential.js';

export interface DockerCredentialOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  /** A helper that failed: said once, and the run goes on anonymously. */
  readonly warn: (message: string) => void;
  readonly helperTimeoutMs?: number;
}

/**
 * Credentials as docker finds them, then podman: DOCKER_AUTH_CONFIG, `credHelpers`, `credsStore`, `auths` of
 * config.json, REGISTRY_AUTH_FILE, containers/auth.json. Each file is read once.
 */
export class DockerCredentials implements CredentialSource {
  readonly #options: DockerCredentialOptions;
  readonly #found = new Map<string, Promise<Credential | undefined>>();
  #files: Promise<readonly AuthFile[]> | undefined;

  constructor(options: DockerCredentialOptions) {
    this.#options = options;
  }

  find(host: string, path: string): Promise<Credential | undefined> {
    const key = `${host}/${path}`;
    const known = this.#found.get(key);
    if (known !== undefined) return known;
    const found = this.#find(host, path);
    this.#found.set(key, found);
    return found;
  }

  async #find(host: string, path: string): Promise<Credential | undefined> {
    this.#files ??= this.#readFiles();
    for (const file of await this.#files) {
      const credential = (await this.#fromHelper(file, host)) ?? entryFor(file, host, path);
      if (credential !== undefined) return credential;
    }
    return undefined;
  }

  async #fromHelper(file: AuthFile, host: string): Promise<Credential | undefined> {
    const helper = helperFor(file, host);
    if (helper === undefined) return undefined;
    const { env, helperTimeoutMs, warn } = this.#options;
    const answer = await askHelper(helper, host, env, helperTimeoutMs ?? 10_000);
    if (answer.status === 'failed') {
      warn(
        `no credentials for ${host} from the helper named in ${file.source}: ${answer.reason}; going on without`,
      );
    }
    return answer.status === 'found' ? answer.credential : undefined;
  }

  async #readFiles(): Promise<readonly AuthFile[]> {
    const inline = this.#options.env[AUTH_VARIABLE];
    const files = inline ? [parseAuthFile(inline, AUTH_VARIABLE)] : [];
    for (const path of this.#paths()) {
      const text = await readIfThere(path);
      if (text === undefined && path === this.#options.env['REGISTRY_AUTH_FILE']) {
        this.#options.warn(`REGISTRY_AUTH_FILE names ${path}, which is not there; going on without`);
      }
      if (text !== undefined && text.trim() !== '') files.push(parseAuthFile(text, path));
    }
    return files;
  }

  #paths(): string[] {
    const { env, home } = this.#options;
    const runtime = env['XDG_RUNTIME_DIR'];
    const config = env['XDG_CONFIG_HOME'] || join(home, '.config');
    return [
      join(env['DOCKER_CONFIG'] || join(home, '.docker'), 'config.json'),
      ...(env['REGISTRY_AUTH_FILE'] ? [env['REGISTRY_AUTH_FILE']] : []),
      ...(runtime ? [join(runtime, 'containers', 'auth.json')] : []),
      join(config, 'containers', 'auth.json'),
    ];
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new DeployerError('credentials_invalid', `${path} can't be read (${code ?? 'unknown error'})`, {
      cause: error,
      suggestions: [`check its owner and mode: ls -l ${path}`],
    });
  }
}
