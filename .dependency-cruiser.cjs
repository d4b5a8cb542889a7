// Who may import whom. The key is a room of src/, the value is everything it may import from src/.
const ROOMS = {
  secrets: ['errors'],
  api: ['machine', 'secrets', 'errors'],
  machine: ['errors'],
  host: ['machine', 'errors'],
  plan: ['api', 'machine', 'errors'],
  drivers: ['machine', 'host', 'errors'],
  images: ['machine', 'host', 'errors'],
  storage: ['machine', 'host', 'errors'],
  network: ['machine', 'host', 'errors'],
  devices: ['machine', 'host', 'errors'],
  guest: ['machine', 'secrets', 'host', 'errors'],
  egress: ['machine', 'secrets', 'host', 'errors', 'log'],
  sources: ['api', 'machine', 'secrets', 'host', 'errors', 'log'],
  look: ['api', 'machine', 'plan', 'secrets', 'images', 'storage', 'network', 'devices', 'egress', 'guest', 'host', 'errors'],
  act: ['api', 'machine', 'plan', 'secrets', 'images', 'storage', 'network', 'devices', 'egress', 'guest', 'host', 'errors'],
  reconcile: ['api', 'machine', 'plan', 'errors', 'log'],
  serve: ['api', 'machine', 'guest', 'host', 'errors', 'log'],
};
// Packages and Node modules with a single home.
const HOMES = {
  'execa|^(node:)?child_process$': 'host',
  '@kubernetes/client-node': 'sources/kubernetes',
  chokidar: 'sources/directory',
  '(^|/)yaml': 'sources|cli|api|main\\.ts',
  ajv: 'api',
  '@paralleldrive/cuid2': 'main\\.ts|cli',
  commander: 'cli|main\\.ts',
  'prom-client': 'serve',
};
const roomRules = Object.entries(ROOMS).map(([room, may]) => ({
  name: `${room}-may-import`,
  comment: may.join(', '),
  severity: 'error',
  from: { path: `^src/${room}/` },
  to: { path: '^src/', pathNot: `^src/(${[room, ...may].join('|')})(/|\\.ts$)` },
}));
const homeRules = Object.entries(HOMES).map(([name, home]) => ({
  name: `only-in-${home.replace(/[^a-z]+/g, '-')}`,
  severity: 'error',
  from: { path: '^src/', pathNot: `^src/(${home})` },
  to: { path: `node_modules/(${name})/|^(node:)?(${name})$` },
}));
module.exports = {
  forbidden: [
    ...roomRules,
    ...homeRules,
    { name: 'no-circles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'drivers-are-strangers',
      severity: 'error',
      from: { path: '^src/drivers/([^/]+)/' },
      to: { path: '^src/drivers/', pathNot: '^src/drivers/$1/' },
    },
    {
      name: 'pure-rooms-touch-nothing',
      severity: 'error',
      from: { path: '^src/(plan|machine)/' },
      to: { dependencyTypes: ['core', 'npm'] },
    },
    { name: 'nobody-imports-main', severity: 'error', from: {}, to: { path: '^src/main\\.ts$' } },
    { name: 'src-never-imports-test', severity: 'error', from: { path: '^src/' }, to: { path: '^test/' } },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      conditionNames: ['import', 'node', 'default', 'types'],
      exportsFields: ['exports'],
    },
  },
};
