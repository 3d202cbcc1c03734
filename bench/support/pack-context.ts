import { Readable } from 'node:stream';
import { packContext } from '../../src/engine/context/pack.js';

// Packs the folder that it is given to stdout, as a build by an engine without BuildKit does to its socket.
const [, , folder = '.'] = process.argv;
const nothing = (): void => undefined;
const chunks = packContext(folder, { placed: new Map(), onPacked: nothing, onWarning: nothing });
Readable.from(chunks, { objectMode: false }).pipe(process.stdout);
