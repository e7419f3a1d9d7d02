import { describe, expect, test } from 'vitest';
import type { BackendWith } from '../../../lib/backend/backend.js';
import type { Forward, ForwardPass } from '../../../lib/backend/forward.js';
import { FALLBACK } from '../../../lib/fallback/backend.js';
import { similarityMatrix } from '../../../lib/similarity/matrix.js';
import { memberOf } from '../../../lib/similarity/members/members.js';
import { openEnsemble } from '../../../lib/similarity/sampled/ensemble.js';
import { availableBackends } from '../../support/backends.js';
import { modelOf, randomBlock } from '../../support/models.js';
import { random } from '../../support/random.js';

/** Three blocks, so that only sampling compares them. */
function models(count: number) {
  return Array.from({ length: count }, (_, i) => {
    const draw = random(i + 1);
    const block = () => randomBlock(draw, { inputs: 3, hidden: 4, outputs: 3, residual: [0.5, 0.5] });
    return modelOf([block(), block(), block()], `model ${i}`);
  });
}

/** The fallback, counting the passes that it packs and those that are there at a time. */
function counting() {
  const inner = FALLBACK;
  const counts = { packed: 0, held: 0, most: 0, bytes: 0 };
  const forward: Forward = {
    ...inner.forward,
    async prepare(source, dtype, control): Promise<ForwardPass> {
      const pass = await inner.forward.prepare(source, dtype, control);
      counts.packed++;
      counts.most = Math.max(counts.most, ++counts.held);
      counts.bytes = pass.bytes;
      const { bytes } = pass;
      const dispose = () => {
        counts.held--;
        pass.dispose();
      };
      return { bytes, evaluate: (inputs, evaluation) => pass.evaluate(inputs, evaluation), dispose };
    },
  };
  return { backend: { ...inner, forward }, counts };
}

describe('packed models', () => {
  const inputs = Float64Array.of(1, 2, 3);
  const members = models(5).map(memberOf);
  const settings = (backend: BackendWith<'forward'>, memoryLimit?: number) =>
    ({ backend, dtype: 'float64', memoryLimit }) as const;

  test('are packed once where there is no limit, and given back', async () => {
    const { backend, counts } = counting();
    const ensemble = openEnsemble([...members, members[0]], 'vectors', settings(backend));
    for (let round = 0; round < 3; round++) {
      for (let m = 0; m < ensemble.count; m++) await ensemble.evaluate(m, inputs, {});
    }
    expect(counts).toMatchObject({ packed: 5, most: 5, held: 5 });
    ensemble.dispose();
    expect(counts.held).toBe(0);
  });

  test('are never more than fit the limit, and most of these stay from turn to turn', async () => {
    const { backend, counts } = counting();
    await openEnsemble(members, 'vectors', settings(backend)).evaluate(0, inputs, {});
    const limited = counting();
    const ensemble = openEnsemble(members, 'vectors', settings(limited.backend, 3.5 * counts.bytes));
    const first = [];
    for (let m = 0; m < 5; m++) first.push(await ensemble.evaluate(m, inputs, {}));
    expect(limited.counts).toMatchObject({ packed: 5, most: 3, held: 3 });
    for (let m = 0; m < 5; m++) expect(await ensemble.evaluate(m, inputs, {})).toEqual(first[m]);
    expect(limited.counts).toMatchObject({ packed: 7, most: 3 }); // 0, 1 and 4 were there
    ensemble.dispose();
    expect(limited.counts.held).toBe(0);
  });

  test('are refused by the name of one that does not fit alone', async () => {
    const { backend, counts } = counting();
    const ensemble = openEnsemble(members, 'vectors', settings(backend, 100));
    await expect(ensemble.evaluate(2, inputs, {})).rejects.toMatchObject({
      code: 'MEMORY_LIMIT',
      message: expect.stringContaining('"model 2"'),
    });
    expect(counts.held).toBe(0);
  });
});

describe.each(availableBackends)('a sampled matrix on %s', (backend) => {
  test('is the same to the bit under a memory limit', async () => {
    const options = { backend, method: 'sampled', maxSamples: 20_000, tolerance: 0.5 } as const;
    const whole = await similarityMatrix(models(4), options);
    const limited = await similarityMatrix(models(4), { ...options, memoryLimit: 12_000 });
    expect(limited.gram).toEqual(whole.gram);
    expect(limited.sampling).toEqual(whole.sampling);
    await expect(similarityMatrix(models(4), { ...options, memoryLimit: 50 })).rejects.toMatchObject({
      code: 'MEMORY_LIMIT',
    });
  });
});
