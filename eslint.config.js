import tseslint from 'typescript-eslint';

const everywhere = [
  { selector: 'ExportDefaultDeclaration', message: 'Named exports only: one name, greppable everywhere.' },
  { selector: 'ExportAllDeclaration', message: 'No barrels: import from the file that defines it.' },
  {
    selector: "ClassDeclaration[superClass]:not([superClass.name='Error'])",
    message: 'Compose; only Error is extended.',
  },
];
const pure = [
  { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: 'Time comes in the World.' },
  { selector: ':function[async=true]', message: 'Pure rooms do not wait.' },
  {
    selector: 'ThrowStatement',
    message: 'Pure rooms return what they found; unreachable() is the one exception.',
  },
];

export default tseslint.config(
  {
    // What is run by the guest's own Node is not of this project's TypeScript.
    ignores: [
      ...['dist/**', '.cache/**', 'eslint.config.js', '.dependency-cruiser.cjs'],
      'test/support/egress-vm-guest/**',
    ],
  },
  tseslint.configs.strictTypeChecked,
  tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/consistent-type-definitions': 'off',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/no-unsafe-type-assertion': 'error',
      '@typescript-eslint/strict-boolean-expressions': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      'preserve-caught-error': 'error',
      'no-console': 'error',
      'no-restricted-syntax': ['error', ...everywhere],
      'max-lines': ['error', { max: 250, skipBlankLines: true, skipComments: true }],
      'max-lines-per-function': ['error', { max: 50, skipBlankLines: true, skipComments: true }],
      'max-params': ['error', 4],
      'max-depth': ['error', 3],
      complexity: ['error', 10],
    },
  },
  {
    files: ['src/**'],
    ignores: ['src/main.ts'],
    rules: {
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'env', message: 'Settings are read once, in main.ts.' },
        { object: 'process', property: 'exit', message: 'Only main.ts ends the process.' },
      ],
    },
  },
  {
    files: ['src/plan/**', 'src/machine/**', 'src/api/**'],
    rules: {
      'no-restricted-syntax': ['error', ...everywhere, ...pure],
      'no-restricted-globals': [
        'error',
        'process',
        'fetch',
        'setTimeout',
        'setInterval',
        'setImmediate',
        'crypto',
        'performance',
      ],
      'no-restricted-properties': [
        'error',
        { object: 'Date', property: 'now' },
        { object: 'Math', property: 'random' },
      ],
    },
  },
  {
    files: ['**/{util,utils,helper,helpers,common,misc,manager,service,types,constants}.ts'],
    rules: {
      'no-restricted-syntax': ['error', { selector: 'Program', message: 'Name the file for what it knows.' }],
    },
  },
  {
    files: ['test/**'],
    rules: {
      'max-lines-per-function': 'off',
      '@typescript-eslint/no-unsafe-type-assertion': 'off',
      'no-restricted-properties': [
        'error',
        { object: 'vi', property: 'mock', message: 'Pass a fake in; do not patch imports.' },
      ],
    },
  },
  { files: ['test/tools/*.config.ts'], rules: { 'no-restricted-syntax': 'off' } },
  { files: ['test/bench/**', 'test/tools/**'], rules: { 'no-console': 'off' } },
);
