import type { Agent, Dispatcher } from 'undici';
import { isLoopbackHost } from './loopback.js';

/** TLS material for one host, PEM. */
export interface TlsMaterial {
  readonly ca?: readonly string[];
  readonly cert?: string;
  readonly key?: string;
}

/** Which connections a URL's requests go through. */
export interface DispatcherSource {
  forUrl(url: URL): Promise<Dispatcher>;
  close(): Promise<void>;
}

export interface DispatcherOptions {
  /** HTTP_PROXY, HTTPS_PROXY and NO_PROXY are read from here, in either case. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** TLS material for a host (docker's certs.d), or undefined for the system's trust. */
  readonly tlsFor?: (host: string) => Promise<TlsMaterial | undefined>;
  readonly connectTimeoutMs?: number;
}

/** undici's agents: one for direct ways, one for the proxy, one for each host with TLS material of its own. */
export class Dispatchers implements DispatcherSource {
  readonly #options: DispatcherOptions;
  readonly #made = new Map<string, Promise<Dispatcher>>();

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  async forUrl(url: URL): Promise<Dispatcher> {
    const tls = url.protocol === 'https:' ? await this.#options.tlsFor?.(url.host) : undefined;
    // As in Go's net/http, which docker and flyctl use: loopback never goes through a proxy.
    const proxied = !isLoopbackHost(url.hostname) && this.#proxies() !== undefined;
    const key = `${proxied ? 'proxy' : 'direct'} ${tls === undefined ? '' : url.host}`;
    const known = this.#made.get(key);
    if (known !== undefined) return known;
    const made = this.#make(proxied, tls);
    this.#made.set(key, made);
    return made;
  }

  async close(): Promise<void> {
    const made = await Promise.all(this.#made.values());
    this.#made.clear();
    await Promise.all(made.map((dispatcher) => dispatcher.destroy()));
  }

  async #make(proxied: boolean, tls: TlsMaterial | undefined): Promise<Dispatcher> {
    const undici = await import('undici');
    const material = tls && { ...tls, ca: [...(tls.ca ?? [])] };
    const connect = { timeout: this.#options.connectTimeoutMs ?? 10_000, ...material };
    const options: Agent.Options = { connect, connections: 16, keepAliveTimeout: 10_000 };
    if (!proxied) return new undici.Agent(options);
    return new undici.EnvHttpProxyAgent({
      ...options,
      ...this.#proxies(),
      ...(material ? { requestTls: material } : {}),
    });
  }

  #proxies(): { httpProxy?: string; httpsProxy?: string; noProxy?: string } | undefined {
    const { env } = this.#options;
    const httpProxy = env['http_proxy'] || env['HTTP_PROXY'];
    const httpsProxy = env['https_proxy'] || env['HTTPS_PROXY'];
    if (!httpProxy && !httpsProxy) return undefined;
    return {
      ...(httpProxy ? { httpProxy } : {}),
      ...(httpsProxy ? { httpsProxy } : {}),
      noProxy: env['no_proxy'] || env['NO_PROXY'] || '',
    };
  }
}
