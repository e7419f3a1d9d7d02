import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { LiveState } from '../../lib/live/feed.js';
import { watchInto } from '../../lib/live/watch.js';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { checkpointBytes, nameOf } from './checkpoints.js';

/** 2.1 MB a file, and about as much again prepared in float64. */
const LARGE = { inputs: 512, hidden: 256, outputs: 8 };
const FEW = 15;
const MANY = 45;

describe('the memory of a watch', () => {
  it('stays what a few models take, however many there are', async () => {
    const folder = join(temporaryFolder(), 'run');
    mkdirSync(folder);
    const bytes = checkpointBytes(0, 1, LARGE);
    const write = (step: number) => {
      // The same network but for one number: to make others would take longer than to compare them.
      const own = Buffer.from(bytes);
      own.writeFloatLE(step / 1000, own.length - 4);
      writeFileSync(join(folder, nameOf(step)), own);
    };
    const options = { settle: 0.02, poll: 0.05, memoryLimit: '32MiB', backend: 'native' } as const;
    let [early, late, next] = [0, 0, 0];
    const writeUpTo = (count: number) => {
      while (next < count) write(next++);
    };
    writeUpTo(FEW - 5);
    for await (const event of watchInto(new LiveState(), folder, options)) {
      if (event.kind !== 'matrix' || event.matrix.labels.length < next) continue;
      const { rss } = process.memoryUsage();
      if (next <= FEW) early = Math.max(early, rss);
      else late = Math.max(late, rss);
      if (next >= MANY) break;
      writeUpTo(next + 5);
    }
    // 30 models more would be 63 MB in files, and as much again prepared.
    expect(late - early).toBeLessThan(50e6);
  });
});
