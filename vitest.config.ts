import { defineConfig } from 'vitest/config';

// Forks, not threads: the native addon is loaded in every test process, as a user's process would.
export default defineConfig({
  test: { include: ['test/**/*.test.ts'], pool: 'forks', testTimeout: 30_000 },
});
