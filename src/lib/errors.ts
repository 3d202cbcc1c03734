/**
 * Every failure that a user can meet, with the exit code it ends the process with.
 * The exit codes are a contract (README, "Exit codes"); the codes are what scripts match on in `--json`.
 */
export const EXIT_OF = {
  unexpected: 1,

  usage: 2,
  reference_invalid: 2,
  config_invalid: 2,
  config_not_found: 2,
  credentials_invalid: 2,
  image_source_unsupported: 2,
  api_rejected: 2,

  tag_not_found: 3,
  digest_not_found: 3,
  repository_not_found: 3,
  image_form_not_accepted: 3,
  image_file_not_found: 3,
  app_not_found: 3,
  release_not_found: 3,

  registry_unauthorized: 4,
  registry_denied: 4,
  api_unauthorized: 4,
  api_denied: 4,

  schema1_unsupported: 5,
  platform_not_found: 5,
  image_incompatible: 5,
  image_incomplete: 5,
  manifest_too_large: 5,
  manifest_invalid: 5,
  image_file_invalid: 5,
  image_not_convertible: 5,

  build_failed: 6,
  context_unreadable: 6,
  build_unavailable: 6,
  push_failed: 7,

  release_rolled_back: 8,
  release_failed: 9,
  locked: 10,
  api_conflict: 10,
  timed_out: 11,

  registry_rate_limited: 12,
  registry_unavailable: 12,
  registry_rejected: 12,
  digest_mismatch: 12,
  not_a_registry: 12,
  dns_failed: 12,
  tls_failed: 12,
  connection_refused: 12,
  connection_lost: 12,
  connection_timed_out: 12,
  proxy_failed: 12,
  redirect_refused: 12,
  insecure_refused: 12,
  response_too_large: 12,
  api_unavailable: 12,
  api_rate_limited: 12,
  not_an_api: 12,
  insufficient_capacity: 12,
  engine_unavailable: 12,

  output_failed: 13,

  interrupted: 130,
} as const satisfies Record<string, number>;

export type ErrorCode = keyof typeof EXIT_OF;

export interface ErrorOptions {
  /** What was asked and what came back, one fact a line. Server text must be cleaned before (lib/text). */
  readonly evidence?: readonly string[];
  /** Commands or settings that mend it, most likely first. */
  readonly suggestions?: readonly string[];
  /** Fields beside `error` in the `--json` document (for example `status: "rolled-back"` of a deploy). */
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/** `error` in the `--json` document of a failed command. */
export interface ErrorDocument {
  readonly code: ErrorCode;
  readonly message: string;
  readonly evidence?: readonly string[];
  readonly suggestions: readonly string[];
  readonly exitCode: number;
}

/** The one error class: an answer to "why not", not only a complaint. */
export class DeployerError extends Error {
  readonly code: ErrorCode;
  readonly evidence: readonly string[];
  readonly suggestions: readonly string[];
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'DeployerError';
    this.code = code;
    this.evidence = options.evidence ?? [];
    this.suggestions = options.suggestions ?? [];
    this.details = options.details ?? {};
  }

  get exit(): number {
    return EXIT_OF[this.code];
  }

  /** The same answer with more facts after its own. */
  withEvidence(...facts: readonly string[]): DeployerError {
    const { code, message, evidence, suggestions, details, cause } = this;
    return new DeployerError(code, message, {
      evidence: [...evidence, ...facts],
      ...{ suggestions, details, cause },
    });
  }

  toDocument(): ErrorDocument {
    return {
      code: this.code,
      message: this.message,
      ...(this.evidence.length > 0 ? { evidence: this.evidence } : {}),
      suggestions: this.suggestions,
      exitCode: this.exit,
    };
  }
}

/** What was thrown, as an answer: a DeployerError is one; what nobody foresaw is a bug (`unexpected`). */
export function asFailure(thrown: unknown): DeployerError {
  if (thrown instanceof DeployerError) return thrown;
  return new DeployerError('unexpected', `unexpected error: ${messageOf(thrown)}`, {
    suggestions: [
      'this is a bug in deployer: run the command again with --verbose and report what it prints',
    ],
    cause: thrown,
  });
}

/** The text of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
