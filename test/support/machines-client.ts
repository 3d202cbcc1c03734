import { expect } from 'chai';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { findMachinesSpec, MachinesSpec } from './machines-spec.js';

export interface MachineAnswer {
  readonly id: string;
  readonly name: string;
  readonly state: string;
  readonly region: string;
  readonly instance_id: string;
  readonly private_ip: string;
  readonly image_ref: {
    readonly registry: string;
    readonly repository: string;
    readonly tag?: string;
    readonly digest?: string;
  };
  readonly config: Readonly<Record<string, unknown>> & {
    readonly metadata?: Readonly<Record<string, string>>;
  };
  readonly events: readonly EventAnswer[];
  readonly checks: readonly { readonly name: string; readonly status: string; readonly output: string }[];
  readonly cordoned: boolean;
  readonly nonce?: string;
  readonly deployer_url?: string;
  readonly deployer_simulated: boolean;
}

export interface EventAnswer {
  readonly id: string;
  readonly type: string;
  readonly status: string;
  readonly source: string;
  readonly timestamp: number;
  readonly request?: {
    readonly restart_count?: number;
    readonly simulated?: boolean;
    readonly error?: string;
    readonly exit_event?: {
      readonly exit_code: number;
      readonly oom_killed: boolean;
      readonly requested_stop: boolean;
      readonly restarting: boolean;
    };
  };
}

export interface ApiAnswer<Body = Record<string, unknown>> {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Body;
}

export interface CallOptions {
  readonly body?: unknown;
  readonly nonce?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Talks to a Machines API, and compares each answer with the API's description where that is at hand: one that
 * is not as described fails the test that asked.
 */
export class MachinesClient {
  readonly #url: string;
  readonly #token: string;
  readonly spec: MachinesSpec | undefined;

  constructor(url: string, token: string) {
    this.#url = url;
    this.#token = token;
    const file = findMachinesSpec();
    this.spec = file === undefined ? undefined : new MachinesSpec(file);
  }

  /** `call('GET /apps/shop/machines')`; the path is below /v1 unless it begins with /_. */
  async call<Body = Record<string, unknown>>(
    line: string,
    options: CallOptions = {},
  ): Promise<ApiAnswer<Body>> {
    const [method = '', path = ''] = line.split(' ');
    const url = new URL(path.startsWith('/_') ? path : `/v1${path}`, this.#url);
    const request = httpRequest(url, {
      method,
      headers: {
        authorization: `Bearer ${this.#token}`,
        ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(options.nonce === undefined ? {} : { 'fly-machine-lease-nonce': options.nonce }),
        ...options.headers,
      },
      agent: false,
    });
    request.end(typeof options.body === 'string' ? options.body : JSON.stringify(options.body));
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    let text = '';
    for await (const chunk of response) text += (chunk as Buffer).toString('utf8');
    const status = response.statusCode ?? 0;
    const body = (text === '' ? undefined : JSON.parse(text)) as Body;
    if (!path.startsWith('/_')) this.#compare(method, path, status, body);
    return { status, headers: response.headers, body };
  }

  /** As `call`, for what must succeed. */
  async ok<Body = Record<string, unknown>>(line: string, options: CallOptions = {}): Promise<Body> {
    const { status, body } = await this.call<Body>(line, options);
    expect(status, `${line}: ${JSON.stringify(body)}`).to.be.within(200, 299);
    return body;
  }

  #compare(method: string, path: string, status: number, body: unknown): void {
    const bare = path.split('?')[0] ?? '';
    const problems = this.spec?.problems(method, bare, status, body) ?? [];
    expect(problems, `${method} ${path} ${status} ${JSON.stringify(body)}`).to.deep.equal([]);
  }
}
