// Matrices one after the other for GROWTH_SECONDS (25): the memory of the process and that of the device stay. Alone on
// the device, by a Node with --expose-gc.
import { execFileSync } from 'node:child_process';
import { setTimeout as rest } from 'node:timers/promises';
import { blocks, Checks, onDevice, SMALL } from './checks.js';

const checks = new Checks();
const milliseconds = 1e3 * Number(process.env.GROWTH_SECONDS ?? 25);
const MARKS = 8;
/** MiB that may come and go. */
const [OWN, DEVICE] = [64, 16];

function deviceMemory(): number {
  const query = ['--query-gpu=memory.used', '--format=csv,noheader,nounits'];
  return SMALL ? 0 : Number.parseInt(execFileSync('nvidia-smi', query, { encoding: 'utf8' }), 10);
}

async function mark(): Promise<{ own: number; device: number }> {
  for (let i = 0; i < 2; i++) {
    globalThis.gc?.();
    await rest(100);
  }
  return { own: process.memoryUsage().rss / 2 ** 20, device: deviceMemory() };
}

const many = blocks(SMALL ? 6 : 200, 9, SMALL ? 12 : 64, 32, 10);
const deep = blocks(SMALL ? 3 : 24, 10, SMALL ? 6 : 60, SMALL ? 6 : 40, 7);
let [tiles, matrices] = [0, 0];
const onTile = () => {
  tiles++;
};
const marks: { own: number; device: number }[] = [];
const start = performance.now();
while (marks.length < MARKS) {
  await onDevice(many, { dtype: matrices % 4 === 0 ? 'float64' : 'float32', onTile });
  await onDevice(deep, { method: 'closure', onTile });
  matrices += 2;
  if (performance.now() - start < ((marks.length + 1) * milliseconds) / MARKS) continue;
  const now = await mark();
  marks.push(now);
  console.log(`after ${matrices} matrices: ${now.own.toFixed(0)} MiB, on the device ${now.device} MiB`);
}
const [early, late] = [marks[2], marks.at(-1)!];
checks.check(tiles > 0, `${matrices} matrices, ${tiles} tiles`);
checks.check(late.own - early.own < OWN, `the process: from ${early.own.toFixed(0)} to ${late.own.toFixed(0)} MiB`);
checks.check(late.device - early.device <= DEVICE, `the device: from ${early.device} to ${late.device} MiB`);
checks.finish('growth');
