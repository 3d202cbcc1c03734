import type { TimedDeployEvent } from '../deploy/events.js';
import type { DeployResult } from '../deploy/result.js';
import { cleanLine } from '../lib/text.js';

/** `machine e784 exited with code 1; putting v11 back` */
export function releaseFailureLine(event: TimedDeployEvent & { readonly type: 'release.failed' }): string {
  return `${cleanLine(event.reason)}; ${cleanLine(event.remedy)}`;
}

/**
 * What a deploy that did not fail came to, in one line. A failed one is told by its error.
 * @param appFlags that name the app again, where the next command would not find it by itself
 */
export function resultLine(result: DeployResult, appFlags: string): string | undefined {
  const version = `v${result.release.version}`;
  const at = result.url === undefined ? '' : ` at ${cleanLine(result.url)}`;
  switch (result.status) {
    case 'succeeded':
      return result.verified === 'started'
        ? `${version} has started${at}; no checks are configured, so nothing proves that it works${backOf(result, appFlags)}`
        : `${version} is live${at}${backOf(result, appFlags)}`;
    case 'unchanged':
      return `${version} is live already${at}: nothing to do`;
    case 'detached':
      return `${version} was handed over, its health not waited for: deployer status -a ${result.app}`;
    case 'rolled-back':
    case 'failed':
      return undefined;
  }
}

/** The way back leads to a release that was healthy, whatever ran last. */
function backOf({ release: { previous, lastHealthy } }: DeployResult, appFlags: string): string {
  if (lastHealthy === undefined) return '';
  const which = lastHealthy === previous ? 'previous' : 'last healthy before it';
  return `   (${which}: v${lastHealthy}; deployer release rollback v${lastHealthy}${appFlags})`;
}
