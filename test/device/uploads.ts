// Uploads beyond the 32 MiB of pinned memory, and large cases, against the native backend.
import { layersOf } from '../../bench/deep/instances.js';
import { createModel, type Model, similarityMatrix } from '../../lib/index.js';
import { random } from '../support/random.js';
import { type By, block, blocks, Checks, distance, matrixOf, onDevice, SMALL } from './checks.js';

const checks = new Checks();
const size = (extent: number) => (SMALL ? Math.max(4, Math.round(extent / 25)) : extent);

async function compare(what: string, models: readonly Model[], by: By = {}): Promise<void> {
  await checks.attempt(what, async () => {
    const wanted = await similarityMatrix(models, { ...by, backend: 'native' });
    const start = performance.now();
    const found = await onDevice(models, by);
    const seconds = (performance.now() - start) / 1e3;
    const error = distance(found.gram, wanted.gram);
    const tolerance = by.dtype === 'float32' ? 1e-5 : 1e-12;
    checks.check(error < tolerance, `${what}: ${error.toExponential(2)} of the norms, ${seconds.toFixed(2)} s`);
  });
}

// L and R of 40 MiB and more, of odd sizes too.
for (const [inputs, units] of [
  [5121, 1024],
  [8192, 1024],
  [10007, 517],
]) {
  const models = blocks(3, inputs, size(inputs), size(units), 10);
  for (const dtype of ['float64', 'float32'] as const)
    await compare(`blocks of ${units} × ${inputs}, ${dtype}`, models, { dtype, route: 'factor' });
}
const draw = random(5);
const square = size(3300);
const vectors = [1, 2, 3].map(() =>
  createModel({ layers: [{ type: 'linear', weight: matrixOf(draw, square, square) }] }),
);
await compare('vectors of 87 MB', vectors, { measure: 'weights' });
await compare('dense forms of 1500 inputs', blocks(3, 6, size(1500), 40, 5), { route: 'dense' });
await compare('3000 outputs', blocks(3, 7, size(300), size(300), size(3000)), { route: 'factor' });
await compare('6000 units', blocks(2, 8, size(100), size(6000), 7), { route: 'factor', dtype: 'float32' });
await compare(
  'many small models',
  Array.from({ length: SMALL ? 20 : 300 }, () => block(draw, 64, 32, 10)),
);
if (!SMALL) {
  for (const [tokens, width, heads, dtype] of [
    [512, 64, 4, 'float64'],
    [4096, 256, 8, 'float32'],
  ] as const) {
    const shape = { family: 'attention', tokens, width, heads, layers: 2, positions: 4 } as const;
    const models = [1, 2].map((seed) => createModel({ positions: 4, layers: layersOf(shape, seed) }));
    await compare(`attention over ${tokens} tokens, ${dtype}`, models, { method: 'closure', dtype });
  }
}
checks.finish('uploads and large cases');
