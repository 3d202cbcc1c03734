import type { TimedDeployEvent } from '../deploy/events.js';
import type { DeployResult } from '../deploy/result.js';
import { cleanLine } from '../lib/text.js';

/** `machine e784 exited with code 1; putting the previous release back` */
export function releaseFailureLine(event: TimedDeployEvent & { readonly type: 'release.failed' }): string {
  return `${cleanLine(event.reason)}${event.undoing ? '; putting the previous release back' : ''}`;
}

/** What a deploy that did not fail came to, in one line. A failed one is told by its error. */
export function resultLine(result: DeployResult): string | undefined {
  const version = `v${result.release.version}`;
  const at = result.url === undefined ? '' : ` at ${cleanLine(result.url)}`;
  switch (result.status) {
    case 'succeeded':
      return `${version} is live${at}${previousOf(result)}`;
    case 'unchanged':
      return `${version} is live already${at}: nothing to do`;
    case 'detached':
      return `${version} was handed over, its health not waited for: deployer status -a ${result.app}`;
    case 'rolled-back':
    case 'failed':
      return undefined;
  }
}

function previousOf({ release: { previous } }: DeployResult): string {
  return previous === undefined ? '' : `   (previous: v${previous}; deployer release rollback v${previous})`;
}
