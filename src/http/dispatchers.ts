import type { Agent, Dispatcher } from 'undici';
import { DeployerError } from '../lib/errors.js';
import { isLoopbackHost } from './loopback.js';

/** TLS material for one host, PEM. */
export interface TlsMaterial {
  readonly ca?: readonly string[];
  readonly cert?: string;
  readonly key?: string;
}

/** Which connections a URL's requests go through. */
export interface DispatcherSource {
  /** @throws DeployerError `config_invalid` for a proxy or TLS material that can't be used */
  forUrl(url: URL): Promise<Dispatcher>;
  /** The proxy that is configured for this URL; NO_PROXY may except it. */
  proxyFor(url: URL): URL | undefined;
  close(): Promise<void>;
}

export interface DispatcherOptions {
  /** HTTP_PROXY, HTTPS_PROXY and NO_PROXY are read from here, in either case. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** TLS material for a host (docker's certs.d), or undefined for the system's trust. */
  readonly tlsFor?: (host: string) => Promise<TlsMaterial | undefined>;
  readonly connectTimeoutMs?: number;
}

/** undici's agents: one for direct ways, one for each proxy, one for each host with TLS material of its own. */
export class Dispatchers implements DispatcherSource {
  readonly #options: DispatcherOptions;
  readonly #made = new Map<string, Promise<Dispatcher>>();

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  async forUrl(url: URL): Promise<Dispatcher> {
    const proxy = this.proxyFor(url);
    const tls = url.protocol === 'https:' ? await this.#options.tlsFor?.(url.host) : undefined;
    const key = `${proxy?.href ?? 'direct'} ${tls === undefined ? '' : url.host}`;
    const known = this.#made.get(key);
    if (known !== undefined) return known;
    const made = this.#make(proxy, tls);
    this.#made.set(key, made);
    return made;
  }

  proxyFor(url: URL): URL | undefined {
    // As in Go's net/http, which docker and flyctl use: loopback never goes through a proxy, and HTTP_PROXY is for
    // plain http alone.
    if (isLoopbackHost(url.hostname)) return undefined;
    return proxyFrom(this.#options.env, url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY');
  }

  async close(): Promise<void> {
    const made = await Promise.all(this.#made.values());
    this.#made.clear();
    await Promise.all(made.map((dispatcher) => dispatcher.destroy()));
  }

  async #make(proxy: URL | undefined, tls: TlsMaterial | undefined): Promise<Dispatcher> {
    const undici = await import('undici');
    const { env, connectTimeoutMs = 10_000 } = this.#options;
    const connect = { timeout: connectTimeoutMs, ...(tls && { ...tls, ca: [...(tls.ca ?? [])] }) };
    const options: Agent.Options = { connect, connections: 16, keepAliveTimeout: 10_000 };
    if (proxy === undefined) return new undici.Agent(options);
    return new undici.EnvHttpProxyAgent({
      ...options,
      httpProxy: proxy.href,
      httpsProxy: proxy.href,
      noProxy: variable(env, 'NO_PROXY') ?? '',
      proxyTls: { timeout: connectTimeoutMs },
      requestTls: connect,
      // Plain http is handed to the proxy as such: most proxies open tunnels to port 443 alone.
      proxyTunnel: false,
    });
  }
}

const PROXY_PROTOCOLS: readonly string[] = ['http:', 'https:', 'socks5:', 'socks:'];

function proxyFrom(env: DispatcherOptions['env'], name: string): URL | undefined {
  const value = variable(env, name);
  if (value === undefined) return undefined;
  // `proxy.corp:3128`, as curl and Go take it.
  const url = value.includes('://') ? value : `http://${value}`;
  if (URL.canParse(url) && PROXY_PROTOCOLS.includes(new URL(url).protocol)) return new URL(url);
  // Its value stays unsaid: it may hold a password.
  throw new DeployerError('config_invalid', `the variable ${name} holds no proxy's URL`, {
    suggestions: [`write ${name}=http://[USER:PASSWORD@]HOST:PORT, or unset it`],
  });
}

function variable(env: DispatcherOptions['env'], name: string): string | undefined {
  return env[name.toLowerCase()] || env[name] || undefined;
}
