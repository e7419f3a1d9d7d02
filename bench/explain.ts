/**
 * explain: two networks of 2,000 inputs, 64 hidden units and 10 outputs, on each backend.
 *
 *   npm run bench -- explain [--rounds N]
 *
 * The first call of a process is told apart: it has the compiler of the engine against it.
 */
import { parseArgs } from 'node:util';
import type { BackendName } from '../lib/backend/backend.js';
import { backends } from '../lib/machines/select.js';
import { createModel } from '../lib/model/create.js';
import type { Model } from '../lib/model/model.js';
import { explain } from '../lib/similarity/explain/explain.js';
import { tensor } from '../lib/tensor/tensor.js';
import { conditions, fillPseudoRandom, formatTable, median, timeCell } from './support.js';

const [INPUTS, HIDDEN, OUTPUTS] = [2000, 64, 10];

function network(seed: number): Model {
  const matrix = (rows: number, columns: number, salt: number) =>
    tensor(fillPseudoRandom(new Float64Array(rows * columns), 97 * seed + salt), [rows, columns]);
  return createModel({
    layers: [
      {
        type: 'bilinear',
        left: matrix(HIDDEN, INPUTS, 1),
        right: matrix(HIDDEN, INPUTS, 2),
        down: matrix(OUTPUTS, HIDDEN, 3),
      },
    ],
    label: `network ${seed}`,
  });
}

async function seconds(backend: BackendName, a: Model, b: Model): Promise<number> {
  const start = performance.now();
  await explain(a, b, { backend });
  return (performance.now() - start) / 1000;
}

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '9' } } });
const rounds = Number(values.rounds);
const present = (await backends()).filter(({ available }) => available);
const times = new Map<BackendName, number[]>(present.map(({ name }) => [name, []]));
const [a, b] = [network(1), network(2)];
for (let round = 0; round <= rounds; round++) {
  for (const [name, measured] of times) measured.push(await seconds(name, a, b));
}
const [best] = present;
console.log(
  conditions(String(best?.details['instruction set'] ?? 'portable'), Number(best?.details.threads ?? 1), rounds),
);
console.log(
  formatTable(
    ['backend', 'first', 'median', 'least'],
    [...times].map(([name, [first, ...others]]) => [
      name,
      timeCell(first!),
      timeCell(median(others)),
      timeCell(Math.min(...others)),
    ]),
  ),
);
