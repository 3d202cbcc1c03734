import type { HttpResponse } from '../http/client.js';
import { isLoopbackHost } from '../lib/loopback.js';
import { DeployerError } from '../lib/errors.js';

/**
 * Where registries are reached. https everywhere, plain http for those named as insecure; a registry on loopback is
 * tried over plain http and, when that turns out to be a TLS port, over https from then on (as docker does, the
 * other way round).
 */
export class RegistryOrigins {
  readonly #insecure: readonly string[];
  readonly #decided = new Map<string, 'http' | 'https'>();

  /** @param insecure `HOST[:PORT]` */
  constructor(insecure: readonly string[]) {
    this.#insecure = insecure;
  }

  of(domain: string): URL {
    const host = domain === 'docker.io' ? 'registry-1.docker.io' : domain;
    return new URL(`${this.#schemeOf(domain) ?? 'http'}://${host}`);
  }

  /** Sends to the registry's origin; the first exchange with one on loopback decides its scheme. */
  async send(domain: string, exchange: (origin: URL) => Promise<HttpResponse>): Promise<HttpResponse> {
    if (this.#schemeOf(domain) !== undefined) return exchange(this.of(domain));
    const plain = await attempt(() => exchange(this.of(domain)));
    if (!mayBeTlsPort(plain)) {
      this.#decided.set(domain, 'http');
      return settled(plain);
    }
    if ('response' in plain) await plain.response.discard();
    this.#decided.set(domain, 'https');
    const secure = await attempt(() => exchange(this.of(domain)));
    if ('error' in secure && !isCertificateProblem(secure.error)) {
      // Neither way works: what plain http met is the better story.
      this.#decided.set(domain, 'http');
      return 'response' in plain ? exchange(this.of(domain)) : settled(plain);
    }
    return settled(secure);
  }

  #schemeOf(domain: string): 'http' | 'https' | undefined {
    if (this.#insecure.includes(domain)) return 'http';
    if (!isLoopbackHost(new URL(`http://${domain}`).hostname)) return 'https';
    return this.#decided.get(domain);
  }
}

type Attempt = { readonly response: HttpResponse } | { readonly error: unknown };

async function attempt(exchange: () => Promise<HttpResponse>): Promise<Attempt> {
  try {
    return { response: await exchange() };
  } catch (error) {
    return { error };
  }
}

function settled(attempt: Attempt): HttpResponse {
  if ('error' in attempt) throw attempt.error;
  return attempt.response;
}

/** A TLS server drops a plain request, or answers 400 in words (Go's net/http, nginx); a registry's 400 is JSON. */
function mayBeTlsPort(plain: Attempt): boolean {
  if ('error' in plain) return plain.error instanceof DeployerError && plain.error.code === 'connection_lost';
  return plain.response.status === 400 && !plain.response.headers['content-type']?.includes('json');
}

/** The far side does speak TLS, but is not trusted: that is the cause to report. */
function isCertificateProblem(error: unknown): boolean {
  return (
    error instanceof DeployerError &&
    error.code === 'tls_failed' &&
    !error.evidence.some((line) => /EPROTO|wrong version number|packet length too long/i.test(line))
  );
}
