import type { IncomingHttpHeaders } from 'node:http';
import { isLoopbackHost } from '../lib/loopback.js';

/**
 * Why a request to a loopback server does not come from a program of this machine; undefined when it may. Web pages
 * can make the browser here send requests, some after their own name was rebound to 127.0.0.1; but they can't keep
 * it from saying that name in Host, or where they come from in Origin.
 */
export function whyNotLocal({ host, origin }: IncomingHttpHeaders): string | undefined {
  if (!isLoopbackAuthority(host)) {
    return 'the Host header must name this machine: localhost, 127.0.0.1 or [::1]';
  }
  if (origin !== undefined && !isLoopbackAuthority(/^https?:\/\/([^/]+)$/.exec(origin)?.[1])) {
    return 'requests of web pages from elsewhere are refused';
  }
  return undefined;
}

/** `localhost:5001`, `127.0.0.1`, `[::1]:5001` */
function isLoopbackAuthority(authority: string | undefined): boolean {
  const name = /^(\[[0-9a-f:.]{2,45}\]|[a-z0-9.-]{1,253})(?::\d{1,5})?$/i.exec(authority ?? '')?.[1];
  return name !== undefined && isLoopbackHost(name);
}
