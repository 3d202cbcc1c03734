import type { FailedStep } from './progress.js';

/** Of the engine's network: nothing of a Dockerfile's is at work there. */
const NETWORK =
  /failed to create endpoint|could not find bridge|failed to (?:set ?up|initialize|configure) (?:\w+ )*network|error (?:creating|configuring) (?:\w+ )*(?:network|netns|veth)|netavark: |setting up CNI|adding interface \S+ to bridge/i;
/** Of the program that starts containers. */
const RUNTIME =
  /\b(?:runc|crun) (?:run|create) failed|OCI runtime (?:create |exec )?(?:failed|error)|^crun: /i;
/** What it refuses for the Dockerfile's sake: no such program, folder or user, no right to it. */
const ASKED_FOR =
  /\bexec:|exec format error|executable file|\bchdir\b|\bcwd\b|unable to find (?:user|group)|no such file|not a directory|permission denied/i;

/**
 * Whether a step failed since the engine could not start it: its own process never ran, and printed nothing.
 * @param reason the engine's words
 */
export function couldNotStart(reason: string, step: FailedStep | undefined): boolean {
  if (step === undefined) return false;
  if (NETWORK.test(reason)) return true;
  // BuildKit shows as the step's output what the runtime says; of a step that ran there would be more.
  const [only = ''] = step.lines.length === 1 && /exit code: 1$/.test(reason) ? step.lines : [];
  const said = RUNTIME.test(reason) ? reason : /^(?:runc|crun|OCI)\b/.test(only) ? only : '';
  return RUNTIME.test(said) && !ASKED_FOR.test(said);
}

/** Where to look then. */
export const LOOK_AT_ENGINE = [
  "look at the engine, not at the Dockerfile: its log (journalctl -u docker), its networks (docker network ls), its machine's limits",
  'then start it again, and build again: systemctl restart docker',
] as const;
