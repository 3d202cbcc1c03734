/** Why the API refused, in the words that Fly's answers begin with, and the HTTP status of each. */
const STATUS_OF = {
  invalid_argument: 400,
  unauthenticated: 401,
  permission_denied: 403,
  not_found: 404,
  method_not_allowed: 405,
  deadline_exceeded: 408,
  aborted: 409,
  already_exists: 409,
  failed_precondition: 412,
  too_large: 413,
  unprocessable: 422,
  resource_exhausted: 429,
  internal: 500,
  unimplemented: 501,
  unavailable: 503,
} as const satisfies Record<string, number>;

export type ApiErrorCode = keyof typeof STATUS_OF;

/** A refusal on its way to the client: `{"error": "<code>: <message>"}`. Not an error of this program's user. */
export class ApiError extends Error {
  readonly status: number;
  /** Fields beside `error`. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ApiErrorCode, message: string, details: Readonly<Record<string, unknown>> = {}) {
    super(`${code}: ${message}`);
    this.name = 'ApiError';
    this.status = STATUS_OF[code];
    this.details = details;
  }

  toBody(): Readonly<Record<string, unknown>> {
    return { error: this.message, ...this.details };
  }
}
