/** A body that can be sent again: each try opens it anew. */
export interface StreamBody {
  /** bytes; sent as Content-Length */
  readonly length: number;
  /** A chunk may be overwritten as soon as the next one is asked for. */
  open(): AsyncIterable<Uint8Array>;
}

export interface HttpRequest {
  readonly method: string;
  readonly url: string | URL;
  /** Sent on every hop. Credentials do not belong here. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent to the URL's own origin only, never to where it redirects or points. */
  readonly authorization?: string;
  readonly body?: string | Uint8Array | StreamBody;
  /** Milliseconds until the response's headers must have come; 30 s unless told. */
  readonly headersTimeoutMs?: number;
  /**
   * The server that named the URL, when a stranger did: private addresses elsewhere are then refused
   * (`insecure_refused`), on redirects too, unless that server is on a private network itself.
   */
  readonly namedBy?: URL;
  readonly signal?: AbortSignal;
}

export interface HttpResponse {
  readonly status: number;
  /** Lower-case names; repeated headers joined by ", ". */
  readonly headers: Readonly<Record<string, string>>;
  /** Where the answer came from, after redirects. */
  readonly url: URL;
  /** The body as it comes. What breaks it off throws as `HttpClient` does (`connection_lost`, ...). */
  chunks(): AsyncIterable<Buffer>;
  /** Reads the body whole. Throws `response_too_large` past `limit` bytes. */
  bytes(limit: number): Promise<Buffer>;
  /** Reads the body's first `limit` bytes and lets the rest go. */
  start(limit: number): Promise<Buffer>;
  /** As `bytes`, decoded as UTF-8. */
  text(limit: number): Promise<string>;
  /** Lets the body go without reading it; the connection may be reused. */
  discard(): Promise<void>;
}

/**
 * HTTP as the rooms above see it. An answer of any status resolves; what keeps an answer from coming throws a
 * DeployerError: `dns_failed`, `connection_refused`, `connection_lost`, `connection_timed_out`, `tls_failed`,
 * `proxy_failed`, `redirect_refused`, `insecure_refused`. No retries: who asks knows what is safe to repeat.
 */
export interface HttpClient {
  send(request: HttpRequest): Promise<HttpResponse>;
  /**
   * Begins connections that requests will soon need, unless so many were begun before. Nothing is sent, and nothing
   * fails here.
   */
  connectEarly?(url: URL, count: number, reach?: Pick<HttpRequest, 'namedBy'>): void;
  close(): Promise<void>;
}
