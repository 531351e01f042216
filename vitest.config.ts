import { defineConfig } from 'vitest/config';

const report = process.env['QUORATE_TEST_REPORT'];

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts', 'property-tests/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    dangerouslyIgnoreUnhandledErrors: false,
    // How fast the machine is must not decide; the default of a second did, beside other work.
    expect: { poll: { timeout: 10_000 } },
    // Only what would never end is to be ended by these.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Tests wait more than they compute: more than the two cores of a small machine.
    maxWorkers: 3,
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
  },
});
