import type { FixtureBlob, FixtureManifest } from './image-fixtures.js';

export interface PushTarget {
  /** Of the registry, `http://127.0.0.1:PORT` */
  readonly url: string;
  readonly repository: string;
  /** Sent as it is with every request, for example `Basic ...`. */
  readonly authorization?: string;
}

/** Puts an image into a registry under this tag: blobs, then what an index names, then itself. */
export async function pushFixture(target: PushTarget, tag: string, manifest: FixtureManifest): Promise<void> {
  await pushContents(target, manifest);
  await putManifest(target, tag, manifest);
}

async function pushContents(target: PushTarget, manifest: FixtureManifest): Promise<void> {
  for (const blob of manifest.blobs) await pushBlob(target, blob);
  for (const child of manifest.children) {
    await pushContents(target, child);
    await putManifest(target, child.digest, child);
  }
}

async function pushBlob(target: PushTarget, blob: FixtureBlob): Promise<void> {
  const { authorization } = target;
  const there = await fetch(`${target.url}/v2/${target.repository}/blobs/${blob.digest}`, {
    method: 'HEAD',
    headers: authorization === undefined ? {} : { authorization },
  });
  if (there.ok) return;
  const started = await send(target, 'POST', `${target.url}/v2/${target.repository}/blobs/uploads/`, 202);
  const location = new URL(started.headers.get('location') ?? '', target.url);
  location.searchParams.set('digest', blob.digest);
  await send(target, 'PUT', location.href, 201, blob.bytes, 'application/octet-stream');
}

async function putManifest(target: PushTarget, reference: string, manifest: FixtureManifest): Promise<void> {
  const url = `${target.url}/v2/${target.repository}/manifests/${reference}`;
  await send(target, 'PUT', url, 201, manifest.bytes, manifest.mediaType);
}

async function send(
  target: PushTarget,
  method: string,
  url: string,
  expected: number,
  body?: Buffer,
  contentType?: string,
): Promise<Response> {
  const response = await fetch(url, {
    method,
    headers: {
      ...(contentType !== undefined && { 'content-type': contentType }),
      ...(target.authorization !== undefined && { authorization: target.authorization }),
    },
    ...(body && { body: new Uint8Array(body) }),
  });
  const answer = await response.text();
  if (response.status !== expected) {
    throw new Error(`${method} ${url} answered ${response.status} instead of ${expected}: ${answer}`);
  }
  return response;
}
