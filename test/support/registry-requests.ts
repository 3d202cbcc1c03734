import { digestOf, type Digest } from '../../src/oci/digest.js';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Buffer;
  /** The body as JSON. */
  json(): unknown;
  /** The code of each error in the body. */
  codes(): readonly string[];
}

export interface Asked {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

/** Sends one request to a registry as it is, and reads the answer whole. */
export async function ask(
  registry: { readonly url: string },
  method: string,
  path: string,
  asked: Asked = {},
): Promise<Answer> {
  const response = await fetch(new URL(path, registry.url), {
    method,
    redirect: 'manual',
    ...(asked.headers && { headers: asked.headers }),
    ...(asked.body !== undefined && { body: asked.body }),
  });
  const bytes = Buffer.from(await response.arrayBuffer());
  const json = (): unknown => JSON.parse(bytes.toString());
  return {
    status: response.status,
    headers: response.headers,
    bytes,
    json,
    codes: () => (json() as { errors: readonly { code: string }[] }).errors.map(({ code }) => code),
  };
}

/** The location of a new upload session. */
export async function beginUpload(registry: { readonly url: string }, repository: string): Promise<string> {
  const { headers } = await ask(registry, 'POST', `/v2/${repository}/blobs/uploads/`);
  return headers.get('location') ?? '';
}

/** Pushes a blob in one request. Throws when it is not taken. */
export async function putBlob(
  registry: { readonly url: string },
  repository: string,
  body: Uint8Array | string,
): Promise<Digest> {
  const digest = digestOf(body);
  const path = `/v2/${repository}/blobs/uploads/?digest=${digest}`;
  const { status, bytes } = await ask(registry, 'POST', path, { body });
  if (status !== 201) throw new Error(`POST ${path} answered ${status}: ${bytes.toString()}`);
  return digest;
}
