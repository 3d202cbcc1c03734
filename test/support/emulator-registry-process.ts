// The program of `startEmulatorRegistryProcess`: DATA_DIR as the only argument.
import { startRegistry } from '../../src/emulator/registry/server.js';

const [, , dataDir = ''] = process.argv;
const registry = await startRegistry({ dataDir, port: 0, legacyAccept: false });
process.once('SIGTERM', () => void registry.close());
console.log(`ready http://127.0.0.1:${registry.port}`);
