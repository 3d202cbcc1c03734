// The rooms of src/ and the arrows between them: commands -> deploy -> (image, engine, targets) -> registry -> oci.
// A room may import what stands here, itself, and what no rule speaks of (src/lib, packages, Node).

/** Room -> the rooms that it may import. */
const MAY_IMPORT = {
  cli: ['ui', 'config'],
  ui: ['deploy', 'image', 'oci'],
  emulator: ['engine', 'http', 'oci'],
  deploy: ['image', 'engine', 'targets', 'config', 'registry', 'oci'],
  targets: ['image', 'http', 'engine', 'config', 'registry', 'oci'],
  image: ['registry', 'oci'],
  engine: ['oci'],
  registry: ['http', 'oci'],
  config: [],
  http: [],
  oci: [],
  lib: [],
};

/** Of these they see the types alone: a view decides nothing, and what is two floors down is used through the floor between. */
const TYPES_ALONE = { ui: ['deploy', 'image', 'oci'], deploy: ['registry'], targets: ['registry'] };

const rooms = Object.entries(MAY_IMPORT).map(([room, below]) => ({
  name: `${room} imports only what is below it`,
  severity: 'error',
  from: { path: `^src/${room}/` },
  to: { path: '^src/', pathNot: `^src/(${[room, 'lib', ...below].join('|')})/` },
}));

const typesAlone = Object.entries(TYPES_ALONE).map(([room, below]) => ({
  name: `${room} imports types alone of ${below.join(', ')}`,
  severity: 'error',
  from: { path: `^src/${room}/` },
  to: { path: `^src/(${below.join('|')})/`, dependencyTypesNot: ['type-only'] },
}));

export default {
  forbidden: [
    ...rooms,
    ...typesAlone,
    {
      name: 'a target knows nothing of the others',
      severity: 'error',
      from: { path: '^src/targets/([^/]+)/' },
      to: { path: '^src/targets/[^/]+/', pathNot: '^src/targets/$1/' },
    },
    {
      name: 'no room knows a command',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/commands/' },
      to: { path: '^src/commands/' },
    },
    {
      name: 'a command knows no other',
      severity: 'error',
      from: { path: '^src/commands/' },
      to: { path: '^src/commands/' },
    },
    { name: 'no cycles', severity: 'error', from: { path: '^src/' }, to: { circular: true } },
    {
      name: 'src depends on nothing that is not shipped',
      severity: 'error',
      from: { path: '^src/' },
      to: {
        path: '^(test|bench|scripts)/|node_modules',
        dependencyTypes: ['npm-dev', 'local', 'npm-no-pkg'],
        pathNot: '^src/|@types/',
      },
    },
    { name: 'imports resolve', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
