import { packContext } from '../../src/engine/context/pack.js';
import { Upload } from '../../src/engine/upload.js';

// Packs the folder that it is given to stdout, as a build by an engine without BuildKit does to its socket.
const [, , folder = '.'] = process.argv;
const nothing = (): void => undefined;
const options = { placed: new Map(), onPacked: nothing, onWarning: nothing };
new Upload((write) => packContext(folder, options, write)).pipe(process.stdout);
