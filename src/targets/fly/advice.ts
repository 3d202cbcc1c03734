import { emulatorToken } from '../../config/api-credentials.js';
import { isLoopbackHost } from '../../lib/loopback.js';
import { copyToOwn } from './pull-failure.js';

/** What to try beside this program: with Fly's, or with what an API on this machine (the emulator) has. */
export interface Advice {
  /** To see what a machine has said before it ended. */
  readonly logs: (app: string) => string;
  /** To get a token that is accepted, and put it where it is read from. */
  readonly token: (source: string) => string;
  /** To see what a token is for. */
  readonly tokens: string;
  readonly apps: readonly string[];
  /** When the machines can't pull an image. */
  readonly pull: (app: string, image: string) => readonly string[];
  /** When the API itself fails. */
  readonly outage: string;
  /** When nothing listens where the API should be. */
  readonly refused?: readonly string[];
  /** When what listens there does not speak TLS. */
  readonly plain: readonly string[];
  /** How to have more machines than the configuration asks for: what ends a list. */
  readonly scale: string;
}

const CHECK_ADDRESS = 'check the address of the API: --api-url, DEPLOYER_API_URL, FLY_FLAPS_BASE_URL';

// Its name is fly; flyctl is what it is installed as.
const FLY: Omit<Advice, 'pull'> = {
  logs: (app) => `fly logs -a ${app}`,
  token: (source) =>
    `put a valid token into ${source === '--token-file' ? 'the file of --token-file' : source} (fly tokens create deploy): it may have expired or been revoked`,
  tokens: ' (fly tokens list)',
  apps: ['fly apps list'],
  outage: 'try again; https://status.flyio.net tells of outages',
  plain: ['check the port', CHECK_ADDRESS],
  scale: ', or fly scale count',
};

/**
 * @param apiUrl of the API, or of anything that it was asked for
 * @param registry the API's own registry, where it is known
 */
export function adviceFor(apiUrl: string, registry?: string): Advice {
  const url = new URL(apiUrl);
  const pull = (app: string, image: string): string[] => copyToOwn(registry, app, image);
  return { ...(isLoopbackHost(url.hostname) ? emulatorAdvice(url) : FLY), pull };
}

const EMULATOR_PORT = '4280';

function emulatorAdvice({ host, port }: URL): Omit<Advice, 'pull'> {
  const start = `deployer emulator start${port === EMULATOR_PORT ? '' : ` --api-port ${port || '80'}`}`;
  return {
    logs: () => "read in the emulator's terminal what its machines said last",
    token: emulatorToken,
    tokens: '',
    apps: [],
    outage: "try again; the emulator's terminal tells why it failed",
    refused: [start, CHECK_ADDRESS],
    plain: [`name it http://${host}: --api-url, DEPLOYER_API_URL, FLY_FLAPS_BASE_URL`],
    scale: '',
  };
}
