import { expect, test } from 'vitest';
import { createProgress } from '../../lib/cli/progress.js';
import { Sink } from './run.js';

test('a stage of sampling that begins is a bar of its own, with its own estimate of the time left', async () => {
  const stderr = new Sink(true);
  const signal = new AbortController().signal;
  const progress = await createProgress({ stdout: new Sink(), stderr, signal, env: {} });
  progress.update('sampling', 0, 4096);
  progress.update('sampling', 4095, 4096);
  progress.update('sampling', 512, 9000);
  progress.stop();
  const bars = [...stderr.text.matchAll(/sampling \[[=-]+\] (\d+)\/(\d+) \| \d+% \| ETA ([\d\w]+)/g)];
  // The first drawing of the new bar knows nothing yet of its rate.
  expect(bars.map(([, done, total]) => `${done}/${total}`)).toContain('512/9000');
  expect(bars.find(([, done]) => done === '512')?.[3]).toMatch(/^(?:0s|NULL|INF)$/);
});
