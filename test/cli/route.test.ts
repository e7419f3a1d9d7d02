import { afterEach, describe, expect, test, vi } from 'vitest';
import { step, tensim } from './run.js';

const FALLBACK = ['--backend', 'fallback'];

afterEach(() => {
  vi.unstubAllEnvs();
});

describe('the route', () => {
  test('is chosen by estimates, which --verbose prints on stderr', async () => {
    const args = ['compare', step(0), step(200), '--json', '--verbose', ...FALLBACK];
    const { code, stdout, stderr } = await tensim(args);
    const { route, estimates } = JSON.parse(stdout);
    const routes = estimates.map((estimate: { route: string }) => estimate.route);
    expect({ code, routes }).toEqual({ code: 0, routes: ['factor', 'dense'] });
    expect(stderr).toMatch(new RegExp(`^route +predicted\n(.*\n)*${route} .* held +taken\n`));
  });

  test('is the one that is asked for', async () => {
    for (const route of ['factor', 'unfolded', 'dense']) {
      const { stdout } = await tensim(['matrix', step(0), step(200), '--json', '--route', route]);
      expect(JSON.parse(stdout).route).toBe(route);
    }
  });

  test('is refused where there is no choice, and --verbose says so', async () => {
    vi.stubEnv('TENSIM_CUDA_LIBRARY', '/nowhere/tensim_cuda.so');
    const weights = ['compare', step(0), step(200), '--measure', 'weights'];
    const refused = await tensim([...weights, '--route', 'dense']);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain('the measure "weights" has one way only');
    expect((await tensim([...weights, '--verbose'])).stderr).toBe('route: the method has one way only\n');
    expect((await tensim([...weights, '--route', 'quick'])).code).toBe(2);
  });
});
