import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { writeSafetensors } from '../../lib/formats/safetensors/write.js';
import type { Model } from '../../lib/model/model.js';
import { loadModel } from '../../lib/model/reading/load.js';
import { similarityMatrix } from '../../lib/similarity/matrix.js';
import { similarity } from '../../lib/similarity/similarity.js';
import type { Matrix, MatrixOptions, Progress } from '../../lib/similarity/terms/types.js';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { availableBackends } from '../support/backends.js';
import { blockModel } from '../support/models.js';
import { random } from '../support/random.js';

const root = temporaryFolder();
const COUNT = 12;
const paths = Array.from({ length: COUNT }, (_, i) =>
  join(root, `step_${String(100 * i).padStart(4, '0')}.safetensors`),
);
let models: Model[];

/** Twelve one-layer networks, 6 → 5 → 4; the fifth and the ninth are the same. */
beforeAll(async () => {
  const draw = random(1);
  const normals = (size: number) => Float32Array.from({ length: size }, () => draw.normal());
  for (const [i, path] of paths.entries()) {
    const weights = new Map([
      ['bi_linear.weight', { data: normals(60), shape: [10, 6] }],
      ['projection.weight', { data: normals(20), shape: [4, 5] }],
    ]);
    if (i === 4) await writeSafetensors(paths[8], weights);
    if (i !== 8) await writeSafetensors(path, weights);
  }
  models = await Promise.all(paths.map((path) => loadModel(path)));
});

const numbers = (matrix: Matrix) => matrix.map((row) => Array.from(row));
const close = (a: number, b: number) => expect(Math.abs(a - b)).toBeLessThanOrEqual(1e-12 * Math.max(1, Math.abs(b)));

describe.each(availableBackends)('a matrix on %s', (backend) => {
  it('of paths is that of the models in them, and does not depend on the order of the files by a bit', async () => {
    const whole = await similarityMatrix(models, { backend, perOutput: true });
    expect(await similarityMatrix(paths, { backend, perOutput: true })).toMatchObject({
      labels: whole.labels,
      gram: whole.gram,
      perOutput: { gram: whole.perOutput!.gram },
    });
    const order = [7, 2, 11, 4, 0, 9, 1, 10, 8, 3, 6, 5];
    const shuffled = await similarityMatrix(
      order.map((i) => paths[i]),
      { backend },
    );
    expect(numbers(shuffled.gram)).toEqual(order.map((i) => order.map((j) => whole.gram[i][j])));
  });

  it('computes models that hold the same weights once, and says so', async () => {
    const same = [['step_0400', 'step_0800']];
    for (const given of [paths, models]) {
      const { work, cosine } = await similarityMatrix(given, { backend });
      expect(work).toEqual({ pairs: (11 * 12) / 2, reused: 0, prepared: 11, same, discarded: 0 });
      expect(cosine[4][8]).toBe(1);
    }
    const { work } = await similarityMatrix([models[0], models[0]], { backend });
    expect(work).toMatchObject({ pairs: 1, prepared: 1, same: [] });
  });

  it('does not trust the digest of a model whose numbers were changed', async () => {
    const [a, b] = [await loadModel(paths[0]), await loadModel(paths[0])];
    const [layer] = b.layers;
    if (layer.type === 'bilinear') layer.left.data[0] += 1;
    const { work, cosine } = await similarityMatrix([a, b], { backend });
    expect(work.same).toEqual([]);
    expect(cosine[0][1]).toBeLessThan(1);
  });

  it('compares neighbours, or within a window, and leaves the rest NaN', async () => {
    const whole = await similarityMatrix(models, { backend });
    const band = async (options: Pick<MatrixOptions, 'window' | 'consecutive'>, width: number, pairs: number) => {
      const { gram, cosine, window, work } = await similarityMatrix(models, {
        backend,
        ...options,
      });
      expect({ window, pairs: work.pairs }).toEqual({ window: width, pairs });
      for (let i = 0; i < COUNT; i++) {
        for (let j = 0; j < COUNT; j++) {
          if (Math.abs(i - j) > width) expect([gram[i][j], cosine[i][j]]).toEqual([Number.NaN, Number.NaN]);
          else close(gram[i][j], whole.gram[i][j]);
        }
        expect(cosine[i][i]).toBe(1);
      }
    };
    await band({ consecutive: true }, 1, 11 + 11);
    await band({ window: 1 }, 1, 11 + 11);
    // Three models are near both of the equal ones.
    await band({ window: 3 }, 3, 11 + 11 + 10 + 9 - 3);
    await band({ window: 100 }, 100, 66);
  });

  it('compares rows with columns', async () => {
    const whole = await similarityMatrix(models, { backend, perOutput: true });
    const rows = [3, 'step_0500', models[1]];
    const columns = ['step_1100', 3, 0, paths[7]];
    const [r, c] = [
      [3, 5, 1],
      [11, 3, 0, 7],
    ];
    const result = await similarityMatrix(models, { backend, rows, columns, perOutput: true });
    expect(result.rows).toEqual(r.map((i) => models[i].label));
    expect(result.columns).toEqual(c.map((i) => models[i].label));
    for (const [p, i] of r.entries()) {
      close(result.rowNorms[p], Math.sqrt(whole.gram[i][i]));
      for (const [q, j] of c.entries()) {
        close(result.columnNorms[q], Math.sqrt(whole.gram[j][j]));
        close(result.gram[p][q], whole.gram[i][j]);
        close(result.cosine[p][q], whole.cosine[i][j]);
        for (const s of [0, 3]) {
          close(result.perOutput!.gram[s][p][q], whole.perOutput!.gram[s][i][j]);
          close(result.perOutput!.cosine[s][p][q], whole.perOutput!.cosine[s][i][j]);
        }
      }
    }
    expect(result.cosine[0][1]).toBe(1);
    // One is both a row and a column: 6 models with themselves, and 3 · 4 − 1 pairs.
    expect(result.work).toMatchObject({ pairs: 6 + 11, prepared: 6 });
  });

  it('compares all with one reference', async () => {
    const { columns, rows, cosine } = await similarityMatrix(paths, { backend, reference: 'step_0000' });
    expect({ columns, rows }).toEqual({ columns: ['step_0000'], rows: models.map(({ label }) => label) });
    for (const [i, model] of models.entries())
      close(cosine[i][0], (await similarity(model, models[0], { backend })).similarity);
  });
});

describe('the choice of models', () => {
  const labels = async (given: readonly (Model | string)[], options: Pick<MatrixOptions, 'every' | 'steps'>) =>
    (await similarityMatrix(given, options)).labels.map((label) => Number(label.slice(5)));

  it('takes every n-th, those of given steps, or both', async () => {
    expect(await labels(paths, { every: 5 })).toEqual([0, 500, 1000]);
    expect(await labels(models, { every: 100 })).toEqual([0]);
    for (const given of [paths, models]) {
      expect(await labels(given, { steps: [100, [250, 500], 7] })).toEqual([100, 300, 400, 500]);
      expect(await labels(given, { steps: [[0, 600]], every: 3 })).toEqual([0, 300, 600]);
    }
  });

  it('refuses options that are wrong or exclude each other', async () => {
    const cases: [MatrixOptions, RegExp][] = [
      [{ window: 0 }, /"window" is 0/],
      [{ window: 1.5 }, /"window"/],
      [{ every: 0 }, /"every" is 0/],
      [{ steps: [] }, /"steps" is \[\]/],
      [{ steps: [99] }, /none of the models is at one of the steps/],
      [{ rows: [12] }, /no model 12.*0 to 11/],
      [{ columns: [] }, /"columns"/],
      [{ columns: [0], reference: 1 }, /"reference" and "columns" exclude/],
      [{ columns: [0], window: 2 }, /exclude/],
      [{ consecutive: true, window: 2 }, /exclude/],
      [{ memoryLimit: 'much' }, /"memoryLimit" is "much"/],
      [{ memoryLimit: 0 }, /"memoryLimit" is 0/],
      [{ state: '' }, /"state"/],
      [{ perOuput: true } as MatrixOptions, /no option "perOuput".*memoryLimit/],
    ];
    for (const [options, message] of cases) {
      const error = await similarityMatrix(paths, options).catch((e) => e);
      expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' });
      expect(error.message).toMatch(message);
    }
  });

  it('needs steps that are said somewhere', async () => {
    const nameless = blockModel(random(3), { inputs: 2, hidden: 2, outputs: 2 }, 'final');
    await expect(labels([nameless], { steps: [1] })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('notices a file that changes meanwhile', async () => {
    const path = join(root, 'changing_1.safetensors');
    writeFileSync(path, readFileSync(paths[1]));
    const onProgress = ({ phase, done }: Progress) => {
      if (phase === 'open' && done === 2) writeFileSync(path, readFileSync(paths[2]));
    };
    const running = similarityMatrix([paths[0], path], { onProgress, backend: 'fallback' });
    await expect(running).rejects.toMatchObject({ code: 'FILE_CHANGED', message: expect.stringContaining('changed') });
  });
});
