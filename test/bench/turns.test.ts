import { setTimeout as rest } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { timeCalls, timeProcessor } from '../../bench/turns.js';

/** Keeps the processor busy for so many milliseconds of its own time. */
function work(milliseconds: number): void {
  const start = process.cpuUsage();
  for (;;) {
    const { user, system } = process.cpuUsage(start);
    if (user + system >= 1e3 * milliseconds) return;
  }
}

describe('times of a call', () => {
  it('count the time that somebody else has the processor, unless they are processor time', async () => {
    const run = async () => {
      work(10);
      await rest(60);
    };
    expect(await timeCalls(run, 0.2)).toBeGreaterThan(0.069);
    const processor = await timeProcessor(run, 0.2);
    expect(processor).toBeGreaterThanOrEqual(0.01);
    expect(processor).toBeLessThan(0.05);
  });
});
