// A device that another process has nearly filled: MEMORY_LIMIT, and all is well as soon as there is room again. Alone
// on the device; the other process is Python with torch.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createModel } from '../../lib/index.js';
import { random } from '../support/random.js';
import { blocks, Checks, digest, matrixOf, messageOf, onDevice } from './checks.js';

/** Takes all memory but a gibibyte, says what is left in MiB, and holds it until it hears something. */
const HOG = `
import sys, torch
free, _ = torch.cuda.mem_get_info()
held = torch.empty(free - (1 << 30), dtype=torch.uint8, device='cuda')
torch.cuda.synchronize()
print(torch.cuda.mem_get_info()[0] >> 20, flush=True)
sys.stdin.readline()
`;

const checks = new Checks();
const draw = random(13);
const small = blocks(8, 12, 64, 32, 10);
// 5 GiB on the device, where nothing is shared; here they share all but D.
const [left, right] = [matrixOf(draw, 1024, 8192, 0.02), matrixOf(draw, 1024, 8192, 0.02)];
const large = Array.from({ length: 40 }, () =>
  createModel({ layers: [{ type: 'bilinear', left, right, down: matrixOf(draw, 10, 1024) }] }),
);
const before = digest((await onDevice(small)).gram);
const hog = spawn('python3', ['-c', HOG], { stdio: ['pipe', 'pipe', 'inherit'] });
const gone = new Promise<void>((resolve) => {
  hog.once('exit', () => resolve());
  hog.once('error', () => resolve());
});
hog.stdin.on('error', () => {});
const said = await Promise.race([once(hog.stdout, 'data'), gone]);
if (said === undefined) {
  console.log('none python3 with torch: nothing to fill the device with');
  process.exit(0);
}
console.log(`left by another process: ${String(said[0]).trim()} MiB`);
try {
  await onDevice(large, { route: 'factor' });
  checks.check(false, 'models of 5 GiB have found room where there was 1 GiB');
} catch (error) {
  const message = messageOf(error);
  checks.check(message.startsWith('MEMORY_LIMIT'), `a matrix that does not fit: ${message}`);
}
await checks.attempt('a small one beside it', async () => {
  checks.check(digest((await onDevice(small)).gram) === before, 'a small one beside it has the same bits');
});
hog.stdin.end('\n');
await gone;
await checks.attempt('when there is room again', async () => {
  checks.check(digest((await onDevice(small)).gram) === before, 'it has the same bits when there is room again');
  checks.check((await onDevice(large, { route: 'factor' })).backend === 'cuda', 'and the large one goes through');
});
checks.finish('out of memory');
