import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { similarityMatrix } from '../../lib/similarity/matrix.js';
import type { MatrixOptions, SimilarityMatrix } from '../../lib/similarity/terms/types.js';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { availableBackends, backendsWith } from '../support/backends.js';
import { blockModel, modelOf } from '../support/models.js';
import { random } from '../support/random.js';
import { pairsIn } from '../support/state.js';
import { randomGated, randomHidden } from '../support/units.js';

const root = temporaryFolder();
let files = 0;
const newFile = () => join(root, `${files++}.state`);

const shape = { inputs: 4, hidden: 3, outputs: 2 };
const models = (count: number, seed = 1) => {
  const draw = random(seed);
  return Array.from({ length: count }, (_, i) => blockModel(draw, shape, `model ${i}`));
};
type Options = Omit<MatrixOptions, 'rows' | 'columns' | 'reference'>;

const same = (a: SimilarityMatrix, b: SimilarityMatrix) => {
  expect(a.gram).toEqual(b.gram);
  expect(a.perOutput?.gram).toEqual(b.perOutput?.gram);
};

describe.each(availableBackends)('a state file on %s', (backend) => {
  it('keeps what an interrupted run has finished, and gives the same bits', async () => {
    const list = models(70);
    for (const perOutput of [false, true]) {
      const state = newFile();
      const whole = await similarityMatrix(list, { backend, perOutput });
      const controller = new AbortController();
      let tiles = 0;
      const onTile = () => {
        if (++tiles === 4) controller.abort('stop');
      };
      const stopped = similarityMatrix(list, {
        backend,
        perOutput,
        state,
        signal: controller.signal,
        onTile,
        route: 'factor',
        memoryLimit: 20_000,
      });
      await expect(stopped).rejects.toBe('stop');
      const kept = await pairsIn(state);
      const resumed = await similarityMatrix(list, { backend, perOutput, state });
      same(resumed, await similarityMatrix(list, { backend, perOutput, route: 'factor' }));
      expect(resumed.work).toMatchObject({ pairs: (70 * 71) / 2, reused: kept.length, discarded: 0 });
      expect(kept.length).toBeGreaterThan(0);
      expect(kept.length).toBeLessThan(whole.work.pairs);
      const all = await pairsIn(state);
      expect(new Set(all).size).toBe(all.length);
      expect(all).toHaveLength(whole.work.pairs);
      const again = await similarityMatrix(list, { backend, perOutput, state });
      same(again, resumed);
      expect(again.work).toMatchObject({ reused: whole.work.pairs, prepared: 0 });
    }
  });

  it('computes only the pairs of models that are added', async () => {
    const list = models(40);
    const state = newFile();
    const options: Options = { backend, state, route: 'factor' };
    await similarityMatrix(list.slice(0, 30), options);
    const more = await similarityMatrix(list, options);
    expect(more.work).toMatchObject({ pairs: 820, reused: 465 });
    same(more, await similarityMatrix(list, { backend, route: 'factor' }));
    const band = await similarityMatrix(list.slice(5, 25), { ...options, window: 2 });
    expect(band.work.reused).toBe(band.work.pairs);
  });

  it('knows models that hold equal weights as one, and those after them by their own numbers', async () => {
    const list = models(6);
    const twins = [list[0], list[1], models(2)[1], list[2], models(1)[0], list[3]];
    for (const perOutput of [false, true]) {
      const options: Options = { backend, perOutput, route: 'factor' };
      const state = newFile();
      await similarityMatrix(twins, { ...options, state });
      for (const asked of [list, twins, [...twins].reverse(), list]) {
        const resumed = await similarityMatrix(asked, { ...options, state });
        expect(resumed.work.reused).toBeGreaterThan(9);
        expect(resumed.work.discarded).toBe(0);
        same(resumed, await similarityMatrix(asked, options));
      }
      const again = await similarityMatrix(twins, { ...options, state });
      expect(again.work).toMatchObject({ reused: again.work.pairs, prepared: 0 });
    }
  });

  it('does not mix what was computed otherwise', async () => {
    const list = models(5);
    const state = newFile();
    const variants: Options[] = [
      { dtype: 'float32' },
      { measure: 'weights' },
      { measure: 'tensor' },
      { method: 'closure' },
      { input: { sigma: 2 } },
      { input: { mean: [1, 2, 3, 4], name: 'standard' } },
      { perOutput: true },
      { route: 'factor' },
      { route: 'dense' },
    ];
    for (const variant of variants) {
      const kept = await similarityMatrix(list, { backend, route: 'auto', ...variant, state });
      expect(kept.work.reused).toBe(0);
      same(kept, await similarityMatrix(list, { backend, route: kept.route ?? 'auto', ...variant }));
      expect((await similarityMatrix(list, { backend, ...variant, state })).work.reused).toBe(15);
    }
    const others = models(5, 2);
    expect((await similarityMatrix(others, { backend, state })).work.reused).toBe(0);
  });

  it('keeps to the route that it has, where the choice is open', async () => {
    const list = models(6);
    const state = newFile();
    for (const route of ['factor', 'dense'] as const) {
      const path = `${state}.${route}`;
      await similarityMatrix(list.slice(1), { backend, state: path, route });
      const { route: taken, work } = await similarityMatrix(list, { backend, state: path });
      expect({ taken, reused: work.reused }).toEqual({ taken: route, reused: 15 });
    }
  });

  it('is not needed by behaviour, which compares quickly', async () => {
    const state = newFile();
    const inputs = { data: new Float64Array(8).fill(1), shape: [2, 4] };
    await similarityMatrix(models(3), { backend, state, measure: 'behavioural', inputs });
    expect(existsSync(state)).toBe(false);
  });
});

describe('a damaged state file', () => {
  const list = models(4);
  const options: Options = { backend: 'fallback', route: 'factor' };

  /** A good state file, the result that belongs to it, and the bytes that a run with other bytes leaves behind. */
  async function damaged(
    change: (good: Buffer) => Buffer[],
    check: (result: SimilarityMatrix | { code: string }, bytes: Buffer) => void,
  ) {
    const state = newFile();
    // Two runs, so that there are several tiles.
    await similarityMatrix(list.slice(0, 3), { ...options, state });
    const whole = await similarityMatrix(list, { ...options, state });
    const good = readFileSync(state);
    for (const [place, bytes] of change(good).entries()) {
      writeFileSync(state, bytes);
      const result = await similarityMatrix(list, { ...options, state }).catch((error) => error);
      check(result, bytes);
      if ('gram' in result) {
        same(result, whole);
        // What was left behind is good again.
        if (place % 16 === 0)
          expect((await similarityMatrix(list, { ...options, state })).work).toMatchObject({
            reused: 10,
            discarded: 0,
          });
      } else expect(readFileSync(state)).toEqual(bytes);
    }
  }

  it('that was cut at any byte gives what is left of it, and says what was lost', async () => {
    await damaged(
      (good) => Array.from(good, (_, length) => good.subarray(0, length)),
      (result, bytes) => {
        expect(result).toHaveProperty('work');
        const { reused, discarded } = (result as SimilarityMatrix).work;
        expect(reused).toBeLessThan(10);
        expect(discarded).toBeLessThan(Math.max(1, bytes.length));
      },
    );
  });

  it('with any byte changed is never believed from there on', async () => {
    await damaged(
      (good) =>
        Array.from(good, (_, at) => {
          const bytes = Buffer.from(good);
          bytes[at] ^= 1 << (at % 8);
          return bytes;
        }),
      (result, bytes) => {
        if (!('work' in result)) {
          expect(result).toMatchObject({ code: 'INVALID_FILE', message: expect.stringContaining('no state file') });
          expect(bytes.subarray(0, 16)).not.toEqual(Buffer.from('tensim.state/1\n\0'));
          return;
        }
        expect(result.work.discarded).toBeGreaterThan(0);
        expect(result.work.reused).toBeLessThan(10);
      },
    );
  });

  it('with records exchanged, doubled or from elsewhere is not believed', async () => {
    const states = [newFile(), newFile()];
    await similarityMatrix(list, { ...options, state: states[0] });
    await similarityMatrix(models(4, 9), { ...options, state: states[1] });
    const [one, other] = states.map((state) => readFileSync(state));
    // Within the models, where the two begin to differ: the rest belongs to the other's.
    const at = one.findIndex((byte, i) => byte !== other[i]) + 32;
    writeFileSync(states[0], Buffer.concat([one.subarray(0, at), other.subarray(at)]));
    const { work } = await similarityMatrix(list, { ...options, state: states[0] });
    expect(work.reused).toBe(0);
    expect(work.discarded).toBeGreaterThan(0);
    writeFileSync(states[0], Buffer.concat([one, one.subarray(16)]));
    expect((await similarityMatrix(list, { ...options, state: states[0] })).work).toMatchObject({
      reused: 10,
      discarded: one.length - 16,
    });
  });

  it('that is another file altogether is refused, and left alone', async () => {
    for (const text of ['{"schema":"tensim.matrix/1"}', 'x']) {
      const state = newFile();
      writeFileSync(state, text);
      await expect(similarityMatrix(list, { ...options, state })).rejects.toMatchObject({ code: 'INVALID_FILE' });
      expect(readFileSync(state, 'utf8')).toBe(text);
    }
    await expect(similarityMatrix(list, { ...options, state: root })).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    const nowhere = join(root, 'no', 'such.state');
    await expect(similarityMatrix(list, { ...options, state: nowhere })).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
    });
  });

  it('cannot be written to by two runs at once', async () => {
    const state = newFile();
    const onTile = () => writeFileSync(state, Buffer.concat([readFileSync(state), Buffer.alloc(3)]));
    const run = similarityMatrix(models(40), { ...options, state, onTile, memoryLimit: 20_000 });
    await expect(run).rejects.toMatchObject({
      code: 'INVALID_FILE',
      message: expect.stringContaining('something else'),
    });
  });
});

describe.each(backendsWith('hidden'))('a state file of networks with activations on %s', (backend) => {
  it('keeps what is proven of their products', async () => {
    const draw = random(3);
    const list = Array.from({ length: 9 }, (_, i) => {
      const activation = i % 3 === 0 ? 'relu' : 'silu';
      return modelOf(
        [(i % 2 ? randomGated : randomHidden)(draw, { ...shape, activation, biases: true })],
        `model ${i}`,
      );
    });
    for (const options of [{ perOutput: true }, { dtype: 'float32' }] as const) {
      const state = newFile();
      const whole = await similarityMatrix(list, { backend, ...options });
      await similarityMatrix(list.slice(0, 6), { backend, state, ...options });
      const resumed = await similarityMatrix(list, { backend, state, ...options });
      same(resumed, whole);
      expect(resumed.work.reused).toBe(21);
      expect(resumed.certified).toBe(whole.certified);
      const again = await similarityMatrix(list, { backend, state, ...options });
      expect(again.work.reused).toBe(45);
      expect(again.certified).toBe(whole.certified);
    }
  });
});
