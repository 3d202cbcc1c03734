/** The specification's error codes ("Error Codes") that this registry answers with, and their usual status. */
const STATUS_OF = {
  BLOB_UNKNOWN: 404,
  BLOB_UPLOAD_INVALID: 400,
  BLOB_UPLOAD_UNKNOWN: 404,
  DENIED: 403,
  DIGEST_INVALID: 400,
  MANIFEST_BLOB_UNKNOWN: 400,
  MANIFEST_INVALID: 400,
  MANIFEST_UNKNOWN: 404,
  NAME_INVALID: 400,
  NAME_UNKNOWN: 404,
  SIZE_INVALID: 400,
  UNSUPPORTED: 400,
} as const satisfies Record<string, number>;

export type ProtocolErrorCode = keyof typeof STATUS_OF;

export interface ProtocolErrorOptions {
  readonly detail?: unknown;
  /** Where the same is wrong with several things: one entry in the body for each. */
  readonly details?: readonly unknown[];
  /** Where it is not the code's usual one. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A refusal that the client is told in the specification's form. */
export class ProtocolError extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;

  constructor(code: ProtocolErrorCode, message: string, options: ProtocolErrorOptions = {}) {
    super(message);
    this.status = options.status ?? STATUS_OF[code];
    this.headers = options.headers ?? {};
    this.body = errorBody(code, message, options.details ?? [options.detail]);
  }
}

/** The JSON body; it ends in a line feed, as docker-registry's does. A detail that is undefined is left out. */
export function errorBody(code: string, message: string, details: readonly unknown[] = [undefined]): string {
  const errors = details.map((detail) => ({ code, message, detail }));
  return `${JSON.stringify({ errors })}\n`;
}
