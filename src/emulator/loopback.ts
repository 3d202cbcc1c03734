/**
 * Whether a Host header (or an Origin's host) names this machine itself: `localhost`, a name under it, 127.0.0.0/8
 * or ::1, with or without a port. A page on the web whose name was rebound to 127.0.0.1 still sends its own name,
 * so a loopback server that asks this is out of its reach.
 */
export function isLoopbackHost(host: string | undefined): boolean {
  const name = /^(\[[0-9a-f:]{2,39}\]|[a-z0-9.-]{1,253})(?::\d{1,5})?$/i.exec(host ?? '')?.[1]?.toLowerCase();
  if (name === undefined) return false;
  if (name === 'localhost' || name.endsWith('.localhost') || name === '[::1]') return true;
  return /^127(?:\.(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}$/.test(name);
}

/** Whether a request's Origin header, where there is one, is a page of this machine (a browser always sends it). */
export function isLoopbackOrigin(origin: string | undefined): boolean {
  return origin === undefined || isLoopbackHost(/^https?:\/\/([^/]+)$/.exec(origin)?.[1]);
}
