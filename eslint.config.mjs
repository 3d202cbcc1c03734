import { builtinModules } from 'node:module';
import js from '@eslint/js';
import { defineConfig, globalIgnores } from 'eslint/config';
import globals from 'globals';
import tseslint from 'typescript-eslint';

/** Cost 45 to 215 ms at start: imported where they are used, with `await import()`. Their types are free. */
const HEAVY = ['undici', 'dockerode', 'listr2', 'ora'];

const sizes = (lines, functionLines) => ({
  'max-lines': ['error', { max: lines, skipBlankLines: true, skipComments: true }],
  'max-lines-per-function': ['error', { max: functionLines, skipBlankLines: true, skipComments: true }],
});

export default defineConfig(
  globalIgnores(['dist/', 'coverage/']),
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  js.configs.recommended,
  tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // A string spread is a list of its characters, and meant.
      '@typescript-eslint/no-misused-spread': ['error', { allow: ['string'] }],
      // What was caught is thrown on as it was.
      '@typescript-eslint/only-throw-error': ['error', { allowThrowingUnknown: true }],
      '@typescript-eslint/prefer-promise-reject-errors': ['error', { allowThrowingUnknown: true }],
      // An async method without await keeps its interface's promise: what it throws is a rejection.
      '@typescript-eslint/require-await': 'off',
      // `return done();` leaves early.
      '@typescript-eslint/no-confusing-void-expression': 'off',
      // oclif's run() returns the document or nothing.
      '@typescript-eslint/no-invalid-void-type': 'off',
      '@typescript-eslint/no-dynamic-delete': 'off',
      eqeqeq: 'error',
    },
  },
  {
    files: ['src/**'],
    rules: {
      ...sizes(300, 60),
      'no-console': 'error',
      '@typescript-eslint/no-restricted-imports': [
        'error',
        {
          paths: HEAVY.map((name) => ({
            name,
            allowTypeImports: true,
            message: 'Load it where it is used, with await import().',
          })),
        },
      ],
    },
  },
  {
    files: ['src/oci/**'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          paths: builtinModules
            .filter((name) => name !== 'crypto')
            .flatMap((name) => [name, `node:${name}`])
            .map((name) => ({ name, message: 'src/oci is pure: no input, no output.' })),
        },
      ],
    },
  },
  {
    files: ['test/**', 'bench/**'],
    rules: {
      // chai: expect(x).to.be.true
      '@typescript-eslint/no-unused-expressions': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/unbound-method': 'off',
      // Escape sequences that must not come through.
      'no-control-regex': 'off',
    },
  },
  {
    // Scripts run as they are: no types to check.
    files: ['**/*.{js,mjs,cjs}'],
    extends: [tseslint.configs.disableTypeChecked],
    languageOptions: { globals: globals.node },
    rules: { '@typescript-eslint/explicit-module-boundary-types': 'off' },
  },
  {
    files: ['bin/*.js', '**/*.cjs'],
    languageOptions: { sourceType: 'commonjs', globals: globals.node },
    rules: { '@typescript-eslint/no-require-imports': 'off' },
  },
);
