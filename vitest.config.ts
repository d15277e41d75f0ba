import { defineConfig } from 'vitest/config'

// One process per worker, files share it: isolation is what costs (ten times on this many files),
// and no test here may keep state in a module. Tests of the real kernel make and remove their own
// namespaces; what cannot run on a machine is skipped with a printed reason.
export default defineConfig({
  // As the bundler does it: a YAML file is its text.
  plugins: [
    {
      name: 'yaml-text',
      transform: (text, id) =>
        id.endsWith('.yaml') ? `export default ${JSON.stringify(text)}` : undefined,
    },
  ],
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    pool: 'forks',
    isolate: false,
    maxWorkers: 2,
    // No figure of merit: only what ends a test that hangs, on a machine that may be busy.
    testTimeout: 600_000,
    hookTimeout: 300_000,
    reporters: ['default'],
    // A simulated process that was killed leaves promises behind, as one that ends does.
    onUnhandledError: (error) => error.name !== 'ProcessKilled',
  },
})
