// Two hundred aborts at random times of work of every kind, and then the same bits as before.
import { random } from '../support/random.js';
import { type By, blocks, Checks, digest, messageOf, onDevice, SMALL } from './checks.js';

const checks = new Checks();
const draw = random(31);
const [many, few, large] = SMALL ? [5, 3, 10] : [100, 30, 256];
const SETS = [
  [blocks(many, 1, SMALL ? 20 : 784, large, 10), { route: 'factor' }],
  [blocks(many, 2, SMALL ? 12 : 200, 30, 10), { route: 'dense' }],
  [blocks(many, 3, 64, 32, 10), { dtype: 'float32' }],
  [blocks(few, 4, SMALL ? 8 : 200, SMALL ? 8 : 100, 10), { method: 'closure' }],
] as const satisfies readonly (readonly [ReturnType<typeof blocks>, By])[];

const before: string[] = [];
const times: number[] = [];
for (const [models, by] of SETS) {
  await onDevice(models, by); // the first also starts the device
  const start = performance.now();
  before.push(digest((await onDevice(models, by)).gram));
  times.push(performance.now() - start);
}

const REASON = new Error('enough');
const total = SMALL ? 12 : 200;
let [aborted, ended, wrong, slowest] = [0, 0, 0, 0];
for (let i = 0; i < total; i++) {
  const set = i % SETS.length;
  const [models, by] = SETS[set];
  const controller = new AbortController();
  let at = Number.NaN;
  const timer = setTimeout(() => {
    at = performance.now();
    controller.abort(REASON);
  }, draw.uniform() * times[set]);
  try {
    const { gram } = await onDevice(models, { ...by, signal: controller.signal });
    ended++;
    if (digest(gram) !== before[set]) wrong++;
  } catch (error) {
    if (error === REASON) {
      aborted++;
      slowest = Math.max(slowest, performance.now() - at);
    } else {
      wrong++;
      console.log(messageOf(error));
    }
  }
  clearTimeout(timer);
}
const counts = `${aborted} of ${total} aborted, the slowest after ${slowest.toFixed(0)} ms; ${ended} ended first`;
checks.check(wrong === 0 && aborted > total / 4, `${counts}; ${wrong} wrong`);
for (const [set, [models, by]] of SETS.entries())
  checks.check(
    digest((await onDevice(models, by)).gram) === before[set],
    `the same bits after it: ${JSON.stringify(by)}`,
  );
checks.finish('abort storm');
