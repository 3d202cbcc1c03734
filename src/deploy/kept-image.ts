/** Of an image that was pushed for what then failed, or was stopped. */
export function staysInRegistry(name: string): string {
  return `the image was pushed, and stays in its registry: ${name}`;
}
