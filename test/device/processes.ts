// Four processes on one device at the same time: the bits of one alone. Started with the argument `work` it is one of
// them.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { random } from '../support/random.js';
import { block, Checks, digest, onDevice, SMALL } from './checks.js';

/** Several matrices, some of them more than once, and the digests of all. */
async function work(): Promise<void> {
  const draw = random(77);
  const [count, inputs] = SMALL ? [4, 20] : [120, 226];
  const models = Array.from({ length: count }, (_, i) => block(draw, inputs, 20 + (i % 5) * 11, 13));
  const digests = new Set<string>();
  for (let round = 0; round < (SMALL ? 2 : 12); round++)
    for (const route of ['factor', 'dense'] as const)
      for (const dtype of ['float64', 'float32'] as const)
        digests.add(digest((await onDevice(models, { dtype, route })).gram));
  console.log([...digests].join(' '));
}

async function main(): Promise<void> {
  const run = () =>
    new Promise<string>((resolve) => {
      const args = [fileURLToPath(import.meta.url), 'work'];
      execFile(process.execPath, args, { timeout: 90_000 }, (error, stdout, stderr) =>
        resolve(error === null ? stdout.trim() : `${error.message} ${stderr}`),
      );
    });
  const checks = new Checks();
  const alone = await run();
  checks.check(/^[0-9a-f]{64}( [0-9a-f]{64}){3}$/.test(alone), `alone: ${alone}`);
  const together = await Promise.all([run(), run(), run(), run()]);
  for (const [i, found] of together.entries())
    checks.check(found === alone, `process ${i + 1} of four: ${found === alone ? 'the same bits' : found}`);
  checks.finish('several processes');
}

await (process.argv[2] === 'work' ? work() : main());
