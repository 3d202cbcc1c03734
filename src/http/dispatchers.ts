import type { SecureContext } from 'node:tls';
import type { Agent, buildConnector, Dispatcher } from 'undici';
import { DeployerError } from '../lib/errors.js';
import { isLoopbackHost } from '../lib/loopback.js';
import { EarlyConnections } from './early-connections.js';
import { isExceptedFromProxy } from './no-proxy.js';
import {
  checkHost,
  checkName,
  guardedLookup,
  lookupBy,
  systemResolve,
  withOwnLoopback,
  type Resolve,
} from './public-network.js';
import { TcpFirst } from './tcp-first.js';

/** TLS material for one host, PEM. */
export interface TlsMaterial {
  readonly ca?: readonly string[];
  readonly cert?: string;
  readonly key?: string;
}

export interface Reach {
  /** As of `HttpRequest`. */
  readonly namedBy?: URL | undefined;
}

/** Which connections a URL's requests go through. */
export interface DispatcherSource {
  /**
   * @throws DeployerError `config_invalid` for a proxy or TLS material that can't be used; `insecure_refused` for a
   *   private address that must not be (a name that resolves to one is refused when it is connected to)
   */
  forUrl(url: URL, reach?: Reach): Promise<Dispatcher>;
  /** The proxy that this URL's requests go through. */
  proxyFor(url: URL): URL | undefined;
  /** Begins connections that requests will soon need, up to so many; where a proxy is between, it does nothing. */
  connectEarly(url: URL, count: number, reach?: Reach): Promise<void>;
  close(): Promise<void>;
}

export interface DispatcherOptions {
  /** HTTP_PROXY, HTTPS_PROXY and NO_PROXY are read from here, in either case. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** TLS material for a host (docker's certs.d), or undefined for the system's trust. */
  readonly tlsFor?: (host: string) => Promise<TlsMaterial | undefined>;
  readonly connectTimeoutMs?: number;
  /** What DNS says; the system's `lookup` unless a test decides. */
  readonly resolve?: Resolve;
}

/** A dispatcher, and its way to connect ahead of a request. */
interface Route {
  readonly dispatcher: () => Promise<Dispatcher>;
  readonly early?: EarlyConnections;
}

/** undici's agents: one for direct ways, one for each proxy, one for each host with TLS material of its own. */
export class Dispatchers implements DispatcherSource {
  readonly #options: DispatcherOptions;
  readonly #resolve: Resolve;
  readonly #tls = new Map<string, Promise<TlsMaterial | undefined>>();
  readonly #routes = new Map<string, Route>();
  readonly #made: Promise<Dispatcher>[] = [];
  readonly #tcpFirst = new TcpFirst();
  /** Node's authorities, for all hosts without material of their own. */
  readonly #usualTrust = once(() => secureContextOf());

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#resolve = withOwnLoopback(options.resolve ?? systemResolve);
  }

  async forUrl(url: URL, reach: Reach = {}): Promise<Dispatcher> {
    await this.#check(url, reach);
    const { early, dispatcher } = await this.#routeFor(url, reach);
    // Before undici is loaded, which takes some milliseconds.
    early?.open(url, 1);
    return dispatcher();
  }

  async connectEarly(url: URL, count: number, reach: Reach = {}): Promise<void> {
    await this.#check(url, reach);
    (await this.#routeFor(url, reach)).early?.open(url, count);
  }

  proxyFor(url: URL): URL | undefined {
    // As in Go's net/http, which docker and flyctl use: loopback never goes through a proxy, and HTTP_PROXY is for
    // plain http alone.
    if (isLoopbackHost(url.hostname)) return undefined;
    const { env } = this.#options;
    if (isExceptedFromProxy(url, variable(env, 'NO_PROXY') ?? '')) return undefined;
    return proxyFrom(env, url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY');
  }

  async close(): Promise<void> {
    for (const { early } of this.#routes.values()) early?.close();
    this.#routes.clear();
    const made = await Promise.all(this.#made.splice(0));
    await Promise.all(made.map((dispatcher) => dispatcher.destroy()));
  }

  async #check(url: URL, reach: Reach): Promise<void> {
    const namedBy = strangerTo(url, reach);
    if (namedBy === undefined) return;
    const resolve = this.#resolve;
    await checkHost(url, namedBy, resolve);
    // A proxy connects by itself: all that can be asked is what the name means here, if anything.
    if (this.proxyFor(url) !== undefined) await checkName(url, namedBy, resolve);
  }

  async #routeFor(url: URL, reach: Reach): Promise<Route> {
    const namedBy = strangerTo(url, reach);
    const proxy = this.proxyFor(url);
    const tls = url.protocol === 'https:' ? await this.#tlsFor(url.host) : undefined;
    const key = `${proxy?.href ?? 'direct'} ${tls === undefined ? '' : url.host} ${namedBy ?? ''}`;
    const known = this.#routes.get(key);
    if (known !== undefined) return known;
    const made = this.#make(proxy, tls, namedBy);
    this.#routes.set(key, made);
    return made;
  }

  #tlsFor(host: string): Promise<TlsMaterial | undefined> {
    const known = this.#tls.get(host);
    if (known !== undefined) return known;
    const found = this.#options.tlsFor?.(host) ?? Promise.resolve(undefined);
    this.#tls.set(host, found);
    return found;
  }

  #make(proxy: URL | undefined, tls: TlsMaterial | undefined, namedBy: string | undefined): Route {
    const timeout = this.#options.connectTimeoutMs ?? 10_000;
    const options: Agent.Options = { connections: 16, keepAliveTimeout: 10_000 };
    if (proxy === undefined) {
      const resolve = this.#resolve;
      const lookup = namedBy === undefined ? lookupBy(resolve) : guardedLookup(namedBy, resolve);
      const early = new EarlyConnections(
        this.#tcpFirst.connector(
          { lookup, timeout },
          once(async () => {
            const secureContext = await (tls === undefined ? this.#usualTrust() : secureContextOf(tls));
            const { buildConnector } = await import('undici');
            return endingAtFirstError(buildConnector({ timeout, secureContext }));
          }),
        ),
      );
      const dispatcher = this.#once(async () => {
        const { Agent } = await import('undici');
        return new Agent({ ...options, connect: early.connect });
      });
      return { dispatcher, early };
    }
    const dispatcher = this.#once(async () => {
      const requestTls = { timeout, ...(tls && { secureContext: await secureContextOf(tls) }) };
      const { ProxyAgent } = await import('undici');
      return new ProxyAgent({
        ...options,
        uri: proxy.href,
        ...proxyToken(proxy),
        proxyTls: { timeout },
        requestTls,
        // Plain http is handed to the proxy as such: most proxies open tunnels to port 443 alone.
        proxyTunnel: false,
      });
    });
    return { dispatcher };
  }

  /** As `once`, while the first packet is on its way; what is made is destroyed in the end. */
  #once(make: () => Promise<Dispatcher>): () => Promise<Dispatcher> {
    return once(() => {
      const made = this.#tcpFirst.departed().then(make);
      this.#made.push(made);
      return made;
    });
  }
}

/** The name of the host that named this one; a server's own host needs no such care. */
function strangerTo(url: URL, { namedBy }: Reach): string | undefined {
  return namedBy === undefined || namedBy.host === url.host ? undefined : namedBy.hostname;
}

/** Made once for all connections: reading the system's authorities again for each takes tens of milliseconds. */
async function secureContextOf({ ca, ...client }: TlsMaterial = {}): Promise<SecureContext> {
  const { createSecureContext } = await import('node:tls');
  return createSecureContext({ ...client, ...(ca && { ca: [...ca] }) });
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

/**
 * A TLS alert (a client certificate that is wanted) is followed by the connection's end, which undici would tell
 * instead: what comes first ends the connection.
 */
function endingAtFirstError(connect: buildConnector.connector): buildConnector.connector {
  return (options, callback) =>
    connect(options, (...outcome) => {
      const [, socket] = outcome;
      socket?.once('error', (error: Error) => socket.destroy(error));
      callback(...outcome);
    });
}

/** undici sends a name only together with a password; some proxies want a name alone. */
function proxyToken({ protocol, username, password }: URL): { readonly token?: string } {
  if (username === '' || !protocol.startsWith('http')) return {};
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { token: `Basic ${Buffer.from(credentials).toString('base64')}` };
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
