import * as v from 'valibot';
import { DeployerError } from '../../lib/errors.js';
import { evidenceOf, type ApiAnswer } from './api-error.js';
import type { ApiRequest, ApiTransport } from './api-transport.js';

/** How the API is asked about one app, and its answers are read. */
export class AppRequests {
  readonly #transport: ApiTransport;
  readonly #app: string;

  constructor(transport: ApiTransport, app: string) {
    this.#transport = transport;
    this.#app = app;
  }

  /** @param below of the app's own path, encoded: `/machines` */
  read(action: string, below: string, options: Partial<ApiRequest>): Promise<ApiAnswer> {
    return this.#transport.send({ ...this.#request('GET', action, below), repeatable: true, ...options });
  }

  /** As `read`; it is not sent again when nobody knows whether it was carried out, unless the options say so. */
  write(action: string, below: string, options: Partial<ApiRequest>): Promise<ApiAnswer> {
    return this.#transport.send({ ...this.#request('POST', action, below), repeatable: false, ...options });
  }

  /** @throws DeployerError `api_*`: what an answer that is no success means to a user */
  accept(answer: ApiAnswer): void {
    if (answer.status < 200 || answer.status > 299) this.#transport.refuse(answer);
  }

  /** @throws DeployerError as `accept`; `api_unavailable` for what is not of this form */
  parse<Schema extends v.GenericSchema>(schema: Schema, answer: ApiAnswer): v.InferOutput<Schema> {
    this.accept(answer);
    const parsed = v.safeParse(schema, parseJson(answer));
    if (!parsed.success) throw unreadable(answer, v.summarize(parsed.issues));
    return parsed.output;
  }

  #request<Method>(method: Method, action: string, below: string) {
    const path = `/apps/${encodeURIComponent(this.#app)}${below}`;
    return { method, path, action, subject: this.#app };
  }
}

function parseJson(answer: ApiAnswer): unknown {
  try {
    return JSON.parse(answer.body);
  } catch (error) {
    throw unreadable(answer, 'it is not JSON', error);
  }
}

export function unreadable(answer: ApiAnswer, why = 'a field is missing', cause?: unknown): DeployerError {
  return new DeployerError('api_unavailable', 'the Machines API gave an answer that makes no sense', {
    cause,
    evidence: [...evidenceOf({ ...answer, body: '' }), ...why.split('\n').slice(0, 3)],
    suggestions: ['check the API URL: --api-url, FLY_FLAPS_BASE_URL; a proxy may stand before the API'],
  });
}
