import { type ChildProcess, spawn } from 'node:child_process';
import { copyFileSync, rmSync, writeFileSync } from 'node:fs';
import { isAbsolute, join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BackendName } from '../../lib/backend/backend.js';
import type { Model } from '../../lib/model/model.js';
import type { Job } from '../../lib/similarity/gram/schedule.js';
import { runJob } from '../../lib/similarity/jobs/run.js';
import { readSums, type SampleJob, writeSampleJob } from '../../lib/similarity/jobs/samples.js';
import { writeSetting } from '../../lib/similarity/jobs/setting.js';
import { readTile, type TileJob, writeTileJob } from '../../lib/similarity/jobs/tile.js';
import { type Executors, matrixBy, similarityMatrix } from '../../lib/similarity/matrix.js';
import { openSite } from '../../lib/similarity/sampled/sampled.js';
import { LocalSampler } from '../../lib/similarity/sampled/sampler.js';
import type { MatrixOptions, SimilarityMatrix } from '../../lib/similarity/terms/types.js';
import { version } from '../../lib/version.js';
import { forNode } from '../../scripts/bundle.mjs';
import { step } from '../cli/run.js';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { availableBackends, backendsWith } from '../support/backends.js';
import { saveModel } from '../support/model_files.js';
import { modelOf, randomAttention, randomBlock, randomLinear, sequenceModel } from '../support/models.js';
import { random } from '../support/random.js';
import { randomGated, randomHidden } from '../support/units.js';

const root = temporaryFolder();
/** Within the package, where the imports that are not bundled are found. */
const folder = join('node_modules', '.cache', `tensim-jobs-${process.pid}`);
const entry = join(folder, 'worker.js');
let worker: ChildProcess;
const waiting: ((line: string) => void)[] = [];

beforeAll(async () => {
  const entryPoints = ['test/support/job_worker.ts'];
  await build({ ...forNode, entryPoints, outfile: entry, format: 'esm', logLevel: 'error' });
  worker = spawn(process.execPath, [entry], { stdio: ['pipe', 'pipe', 'inherit'] });
  createInterface({ input: worker.stdout! }).on('line', (line) => waiting.shift()!(line));
});
afterAll(() => {
  worker.kill();
  rmSync(folder, { recursive: true, force: true });
});

/** What the other process makes of a job, of which it gets nothing but the text. */
async function elsewhere(job: unknown): Promise<unknown> {
  const line = new Promise<string>((resolve) => waiting.push(resolve));
  worker.stdin!.write(`${JSON.stringify(job)}\n`);
  const { result, error } = JSON.parse(await line);
  if (error !== undefined) throw Object.assign(new Error(error.message), { code: error.code });
  return result;
}

/** Has every job run in the other process, and keeps them. */
function recording(run: (job: TileJob | SampleJob) => Promise<unknown> = elsewhere) {
  const jobs: (TileJob | SampleJob)[] = [];
  const results: unknown[] = [];
  const ask = async (job: TileJob | SampleJob) => {
    jobs.push(job);
    const result = await run(job);
    results.push(result);
    return result;
  };
  const executors: Executors = {
    tiles(members, comparison) {
      const setting = writeSetting(comparison);
      setting.catch(() => {});
      const outputs = comparison.settings.perOutput ? comparison.names.length : 0;
      return {
        atOnce: 3,
        prepared: 0,
        open: async () => ({ tile: 2, block: 4 }),
        run: async (job: Job) => readTile(await ask(await writeTileJob(await setting, members, job)), job, outputs),
        close: async () => {},
      };
    },
    samples(members, comparison) {
      const setting = writeSetting(comparison);
      const slices = comparison.settings.perOutput ? 1 + comparison.names.length : 1;
      return {
        atOnce: 3,
        async run(batch) {
          const shape = { models: members.length, slices, watched: batch.watched };
          return readSums(await ask(await writeSampleJob(await setting, members, batch)), shape);
        },
      };
    },
  };
  return { jobs, results, executors };
}

const draw = random(11);
let saved = 0;
const save = (models: readonly Model[]) => Promise.all(models.map((model) => saveModel(root, `m${saved++}`, model)));
const times = (count: number, make: (i: number) => Model) => Array.from({ length: count }, (_, i) => make(i));
const block = (extent: object = {}) => randomBlock(draw, { inputs: 4, hidden: 5, outputs: 4, biases: true, ...extent });
const attention = () => randomAttention(draw, { inputs: 4, heads: 2, size: 2, biases: true, residual: [1, 0.5] });

const stretched = () => {
  const { weight, ...others } = randomLinear(draw, 6, 6);
  return { ...others, weight: { ...weight, data: weight.data.map((value, i) => (i % 6 === 0 ? 20 * value : value)) } };
};

const UNITS = { inputs: 4, hidden: 5, outputs: 4, biases: true } as const;
const FILES = {
  embedded: await save(
    times(5, (i) => modelOf([randomLinear(draw, 4, 6), block({ hidden: 9 + (i % 2), outputs: 3 })])),
  ),
  equal: await save(times(4, () => modelOf([randomLinear(draw, 4, 6), block({ outputs: 3 })]))),
  deep: await save(times(4, () => modelOf([block(), block({ residual: [1, 0.5] })]))),
  deeper: await save(times(4, () => modelOf([block(), block(), block({ residual: [1, 0.5] }), block()]))),
  attending: await save(times(3, () => sequenceModel(2, [attention()]))),
  tokens: await save(times(3, () => sequenceModel(2, [randomLinear(draw, 4, 7, false), attention(), block()]))),
  units: await save([
    modelOf([randomHidden(draw, { ...UNITS, activation: 'relu' })]),
    modelOf([randomGated(draw, { ...UNITS, activation: 'silu' }), randomLinear(draw, 4, 4)]),
    modelOf([randomHidden(draw, { ...UNITS, activation: 'prelu' })]),
    modelOf([block()]),
  ]),
  layered: await save([
    ...times(2, () => {
      const block = { ...UNITS, activation: 'tanh', residual: [1, 0.5] } as const;
      return modelOf([randomHidden(draw, block), randomHidden(draw, block)]);
    }),
    modelOf([randomHidden(draw, { ...UNITS, activation: 'tanh' })]),
  ]),
  // Along one direction of many, so that a pilot finds it.
  steep: await save(times(3, () => modelOf([stretched(), block({ inputs: 6 }), block(), block()]))),
  // Norms, or single outputs, far out of the range of numbers of either type.
  huge: await save(times(4, (i) => modelOf([{ ...block(), beta: 2 ** (600 - 150 * i) }]))),
  uneven: await save(
    times(4, () => {
      const last = randomLinear(draw, 2, 4);
      const data = Float64Array.from(last.weight.data, (value, i) => (i < 4 ? value * 2 ** 90 : value));
      return modelOf([block(), { ...last, weight: { ...last.weight, data } }]);
    }),
  ),
};

const LAW = { mean: [0.5, -1, 0.25, 2], cov: [1, 2, 3, 4].map((i) => [1, 2, 3, 4].map((j) => (i === j ? i : 0.3))) };
const sampled = { method: 'sampled', maxSamples: 2048 } as const;
const many = { method: 'sampled', maxSamples: 8192, tolerance: 1e-4 } as const;
const WAYS: [title: string, files: readonly string[], options: MatrixOptions, least: number][] = [
  ['by the route factor', FILES.embedded, { route: 'factor' }, 6],
  ['by the route unfolded', FILES.embedded, { route: 'unfolded', perOutput: true }, 6],
  ['by the route dense in float32', FILES.embedded, { route: 'dense', dtype: 'float32', perOutput: true }, 6],
  ['by the route factor in float32', FILES.embedded, { route: 'factor', dtype: 'float32' }, 6],
  ['of the measure tensor', FILES.embedded, { measure: 'tensor', route: 'factor', perOutput: true }, 6],
  ['of the measure tensor at depth', FILES.deep, { measure: 'tensor' }, 3],
  ['of the measure weights', FILES.equal, { measure: 'weights', perOutput: true }, 3],
  ['of two blocks under a law of its own', FILES.deep, { input: LAW }, 3],
  ['by the closure', FILES.deep, { method: 'closure', input: { sigma: 0.7 }, perOutput: true }, 3],
  ['by the closure at depth, in float32', FILES.deeper, { method: 'closure', dtype: 'float32' }, 3],
  ['of attention', FILES.attending, { perOutput: true }, 3],
  ['under one-hot vectors', FILES.embedded, { input: 'onehot', route: 'factor' }, 6],
  ['out of the range of numbers', FILES.huge, {}, 3],
  ['out of the range of numbers in float32', FILES.huge, { dtype: 'float32', perOutput: true }, 3],
  ['of outputs in units of their own', FILES.uneven, { perOutput: true, dtype: 'float32' }, 3],
  ['within a window', FILES.embedded, { window: 1, route: 'factor' }, 3],
  ['of rows with columns', FILES.embedded, { rows: [3, 0], columns: [1, 3, 4], route: 'dense' }, 3],
  ['sampled', FILES.deeper, sampled, 64],
  ['sampled per output under a law of its own', FILES.deeper, { ...sampled, input: LAW, perOutput: true }, 64],
  ['of a pair, sampled', FILES.deeper.slice(0, 2), { ...sampled, input: { sigma: 2 }, dtype: 'float32' }, 64],
  ['of tokens, sampled', FILES.tokens, { ...sampled, input: 'tokens', perOutput: true, seed: 5 }, 64],
  [
    'sampled along directions',
    FILES.embedded.slice(0, 3),
    { method: 'sampled', maxSamples: 40_000, tolerance: 0.2 },
    64,
  ],
];

const WAYS_OF_UNITS: typeof WAYS = [
  ['of units with activations', FILES.units, { perOutput: true, input: LAW }, 3],
  ['of units with activations in float32', FILES.units, { dtype: 'float32' }, 3],
  ['sampled beside surrogates', FILES.layered.slice(0, 2), { ...many, perOutput: true }, 96],
];
const waysFor = (backend: BackendName) =>
  backendsWith('hidden').includes(backend) ? [...WAYS, ...WAYS_OF_UNITS] : WAYS;

/** All that a result says. */
const numbersOf = (result: object) => {
  const { work, direction, difference, ...numbers } = result as SimilarityMatrix;
  return numbers;
};

describe.each(availableBackends)('the jobs on %s of a matrix', (backend) => {
  it.each(waysFor(backend))(
    '%s give its bits, run in another process from their JSON',
    async (_, files, options, least) => {
      const { jobs, executors } = recording();
      const whole = await similarityMatrix(files, { backend, ...options });
      const again = await matrixBy(executors, files, { backend, ...options });
      expect(numbersOf(again)).toEqual(numbersOf(whole));
      expect(jobs.length).toBeGreaterThanOrEqual(least);
    },
  );
});

describe('a job', () => {
  /** The first job of a matrix. */
  async function jobOf(files: readonly (string | Model)[], options: MatrixOptions): Promise<TileJob> {
    const { jobs, executors } = recording((job) => runJob(job));
    await matrixBy(executors, files, { backend: 'fallback', ...options });
    return JSON.parse(JSON.stringify(jobs[0]));
  }
  const plain = () => jobOf(FILES.embedded, { route: 'factor', input: 'standard' });

  it('carries how its models are read, and where they are', async () => {
    const [file, other] = FILES.deep.map((path) => path.replace('.json', '.safetensors'));
    const description = join(root, 'alone.json');
    const layer = (i: number) => ({
      type: 'bilinear',
      ...Object.fromEntries(['left', 'right', 'down', 'leftBias', 'rightBias'].map((role) => [role, `${i}.${role}`])),
    });
    const layers = [layer(0), { ...layer(1), downBias: '1.downBias', residual: { add: 0.5 } }];
    writeFileSync(description, JSON.stringify({ schema: 'tensim.model/1', layers, ignore: ['0.downBias'] }));
    const paths = [file, other].map((path) => relative('.', path));
    const load = { model: relative('.', description), config: { heads: 1 } };
    const { jobs, executors } = recording();
    const whole = await similarityMatrix(paths, { backend: 'fallback', load });
    expect(numbersOf(await matrixBy(executors, paths, { backend: 'fallback', load }))).toEqual(numbersOf(whole));
    const [{ path, model, config }] = jobs[0].models;
    expect([isAbsolute(path), model, config]).toEqual([true, description, { heads: 1 }]);
  });

  it('carries what is out of the range of numbers, and directions that a pilot found', async () => {
    const huge = recording();
    await matrixBy(huge.executors, FILES.huge, { backend: 'fallback', perOutput: true });
    for (const result of huge.results) {
      expect(result).toMatchObject({ exponents: expect.any(String), sliceExponents: expect.any(String) });
    }
    const { jobs, executors } = recording();
    await matrixBy(executors, FILES.steep, {
      backend: 'fallback',
      method: 'sampled',
      maxSamples: 40_000,
      tolerance: 0.5,
    });
    expect(jobs.at(-1)).toMatchObject({ draws: { directions: { basis: expect.any(String) } }, watched: true });
  });

  it('carries the surrogates of models, and is refused where they are not theirs', async () => {
    const { jobs, executors } = recording((job) => runJob(job));
    const { sampling } = await matrixBy(executors, FILES.layered, { backend: 'fallback', ...many });
    expect(sampling!.surrogate!.varianceRatio).toBeLessThan(0.8);
    const job = JSON.parse(JSON.stringify(jobs.at(-1)));
    const of: ('self' | { weight: string; bias: string })[] = job.surrogates.of;
    const self = of.indexOf('self');
    const changed = (change: (typeof of)[number] | null, m: number) => {
      return { ...job, surrogates: { ...job.surrogates, of: of.map((one, i) => (i === m ? change : one)) } };
    };
    const head = of[(self + 1) % 3] as { weight: string; bias: string };
    const refused = { code: 'INVALID_ARGUMENT', message: expect.stringContaining('surrogates.of') };
    for (const wrong of [
      changed(head, self),
      changed('self', (self + 1) % 3),
      changed({ ...head, weight: head.bias }, (self + 1) % 3),
      { ...job, surrogates: { ...job.surrogates, of: of.slice(1) } },
    ]) {
      await expect(runJob(wrong)).rejects.toMatchObject(refused);
    }
    // Without any, sums are those of the outputs alone.
    const { surrogates, ...plain } = job;
    const none = { of: of.map(() => null), total: Buffer.alloc(8 * 9).toString('base64') };
    const [zero, without] = [await runJob({ ...job, surrogates: none }), await runJob(plain)];
    expect(zero).toMatchObject({ total: (without as { total: string }).total });
  });

  it('is small: a law that a name says is two numbers', async () => {
    expect((await plain()).setting).toMatchObject({ measure: 'gaussian', chain: 'one-block', law: { sigma: 1 } });
    expect(JSON.stringify(await plain()).length).toBeLessThan(2000);
  });

  it('cannot be written of models or inputs in memory', async () => {
    const models = times(2, () => modelOf([block()]));
    const refused = { code: 'INVALID_ARGUMENT', message: expect.stringContaining('in memory') };
    const { jobs, executors } = recording();
    await expect(matrixBy(executors, models, { backend: 'fallback' })).rejects.toMatchObject(refused);
    await expect(matrixBy(executors, models, { backend: 'fallback', ...sampled })).rejects.toMatchObject(refused);
    const inputs = { data: new Float64Array(8).fill(1), shape: [2, 4] };
    const behaviour = matrixBy(executors, FILES.deep, { backend: 'fallback', measure: 'behavioural', inputs });
    await expect(behaviour).rejects.toMatchObject(refused);
    expect(jobs).toEqual([]);
  });

  it('is refused where it is not as it was written', async () => {
    const good = await plain();
    const { setting, models } = good;
    const changes: [what: object | null, code: string, message: string][] = [
      [null, 'INVALID_ARGUMENT', 'an object'],
      [{ more: 1 }, 'INVALID_ARGUMENT', '"more"'],
      [{ schema: 'tensim.tile/2' }, 'INVALID_ARGUMENT', 'schema'],
      [{ rows: undefined }, 'INVALID_ARGUMENT', 'rows'],
      [{ rows: [0, 99] }, 'INVALID_ARGUMENT', 'rows[1]'],
      [{ rows: ['0'] }, 'INVALID_ARGUMENT', 'rows[0]'],
      [{ columns: [] }, 'INVALID_ARGUMENT', 'columns'],
      [{ symmetric: true, rows: [0, 1], columns: [1, 0] }, 'INVALID_ARGUMENT', 'columns'],
      [{ symmetric: 'yes' }, 'INVALID_ARGUMENT', 'symmetric'],
      [{ models: [] }, 'INVALID_ARGUMENT', 'models'],
      [{ models: [{ ...models[0], sha256: 'abc' }] }, 'INVALID_ARGUMENT', 'models[0].sha256'],
      [{ models: [{ ...models[0], config: { layers: 3 } }] }, 'INVALID_ARGUMENT', 'models[0].config'],
      [{ setting: { ...setting, version: '0.0.0' } }, 'INVALID_ARGUMENT', 'setting.version'],
      [{ setting: { ...setting, dtype: 'float16' } }, 'INVALID_ARGUMENT', 'setting.dtype'],
      [{ setting: { ...setting, backend: 'abacus' } }, 'INVALID_ARGUMENT', 'setting.backend'],
      [{ setting: { ...setting, arithmetic: 7 } }, 'INVALID_ARGUMENT', 'setting.arithmetic'],
      [{ setting: { ...setting, arithmetic: 'abacus' } }, 'BACKEND_UNAVAILABLE', 'instructions "abacus"'],
      [{ setting: { ...setting, method: 'sampled' } }, 'INVALID_ARGUMENT', 'setting'],
      [{ setting: { ...setting, names: ['a'] } }, 'INVALID_ARGUMENT', '"names"'],
      [{ setting: { ...setting, law: { sigma: -1 } } }, 'INVALID_ARGUMENT', 'setting.law.sigma'],
      [{ setting: { ...setting, law: { sigma: 1, mean: '!!!!!!!!!!!=' } } }, 'INVALID_ARGUMENT', 'setting.law.mean'],
      [{ setting: { ...setting, law: { sigma: 1, mean: base64(1, 2) } } }, 'SHAPE_MISMATCH', '6 inputs'],
      [{ setting: { ...setting, law: { onehot: 5 } } }, 'SHAPE_MISMATCH', '6 inputs'],
      [{ setting: { ...setting, law: { sigma: 1, mean: base64(Number.NaN) } } }, 'NOT_FINITE', 'setting.law.mean'],
    ];
    for (const [change, code, message] of changes) {
      const job = change === null ? null : { ...good, ...change };
      await expect(runJob(job), message).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
    }
    expect(await runJob(good)).toMatchObject({ schema: 'tensim.tile-result/1' });
  });

  it('is refused where its files are not there, or are not what they were', async () => {
    const copy = join(root, 'copy.safetensors');
    copyFileSync(step(6000), copy);
    const job = await jobOf([copy, step(6200)], { route: 'factor' });
    expect(await elsewhere(job)).toEqual(await runJob(job));
    copyFileSync(step(7000), copy);
    const changed = { code: 'INVALID_FILE', message: expect.stringContaining(copy) };
    await expect(runJob(job)).rejects.toMatchObject(changed);
    await expect(elsewhere(job)).rejects.toMatchObject(changed);
    rmSync(copy);
    await expect(runJob(job)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    const [one, ...others] = (await plain()).models;
    const otherwise = { ...(await plain()), models: [{ ...one, identity: others[0].identity }, ...others] };
    await expect(runJob(otherwise)).rejects.toMatchObject({ code: 'INVALID_FILE' });
  });

  it('is refused where its models cannot be compared so', async () => {
    const job = await jobOf(FILES.deep, {});
    const shallow = { ...job, setting: { ...job.setting, chain: 'one-block', route: 'factor' } };
    await expect(runJob(shallow)).rejects.toMatchObject({ code: 'UNSUPPORTED_LAYER' });
    const mixed = { ...job, models: [job.models[0], (await plain()).models[0]], rows: [0], columns: [1] };
    await expect(runJob({ ...mixed, symmetric: false })).rejects.toMatchObject({ code: 'SHAPE_MISMATCH' });
    const weights = await jobOf(FILES.equal, { measure: 'weights' });
    const renamed = { ...weights, setting: { ...weights.setting, names: ['left', 'gone'] } };
    await expect(runJob(renamed)).rejects.toMatchObject({ code: 'SHAPE_MISMATCH' });
  });

  it('of samples is refused where it is not as it was written', async () => {
    const good = (await jobOf(FILES.deeper.slice(0, 2), sampled)) as unknown as SampleJob;
    const draws = good.draws as SampleJob['draws'] & { kind: 'vectors' };
    const changes: [what: object, field: string][] = [
      [{ samples: 2 ** 20 }, 'samples'],
      [{ first: -16 }, 'first'],
      [{ group: 32 }, 'group'],
      [{ watched: 1 }, 'watched'],
      [{ draws: { ...draws, stage: 16 } }, 'draws.stage'],
      [{ draws: { kind: 'tokens', seed: 1, stage: 1 } }, 'draws.kind'],
      [{ draws: { ...draws, directions: { basis: base64(1, 2), variances: base64(2) } } }, 'draws.directions.basis'],
      [{ setting: { ...good.setting, law: 'words' } }, 'setting.law'],
    ];
    for (const [change, field] of changes) {
      const refused = { code: 'INVALID_ARGUMENT', message: expect.stringContaining(field) };
      await expect(runJob({ ...good, ...change }), field).rejects.toMatchObject(refused);
    }
    const shape = { models: 2, slices: 1, watched: good.watched };
    const result = JSON.parse(JSON.stringify(await runJob(good)));
    expect((await readSums(result, shape)).count).toBeGreaterThan(0);
    for (const change of [{ total: base64(1) }, { squares: '' }, { exponents: [0] }, { count: 0 }, { more: 1 }]) {
      await expect(readSums({ ...result, ...change }, shape)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
  });

  it('of samples tells what every sample adds, to the bit', async () => {
    let watched = 0;
    const samples: Executors['samples'] = (members, { settings: { perOutput, backend }, law }) => ({
      atOnce: 1,
      async run(batch, control) {
        const setting = {
          version,
          dtype,
          backend: 'fallback',
          perOutput: true,
          measure,
          method,
          law: { sigma: 1 },
        } as const;
        const shape = { models: 3, slices: 5, watched: batch.watched };
        const read = await readSums(await elsewhere(await writeSampleJob(setting, members, batch)), shape);
        const site = await openSite(members, members, law, { backend, dtype });
        const own = await new LocalSampler(site.ensemble, site.drawsOf, { backend, perOutput }).run(batch, control);
        const { products, ...sums } = own;
        expect(read).toMatchObject(sums);
        expect(read.products.count).toBe(products.count);
        const [one, other] = [new Float64Array(15), new Float64Array(15)];
        for (let s = 0; s < products.count; s++) {
          products.squares(s, one);
          read.products.squares(s, other);
          expect(other).toEqual(one);
          for (let pair = 0; batch.watched && pair < 3; pair++) {
            products.product(s, pair, one.subarray(0, 5));
            read.products.product(s, pair, other.subarray(0, 5));
            expect(other).toEqual(one);
            watched++;
          }
        }
        site.dispose();
        return read;
      },
    });
    const [dtype, measure, method] = ['float64', 'gaussian', 'sampled'] as const;
    const options = { ...sampled, maxSamples: 1024, backend: 'fallback', perOutput: true } as const;
    const found = await matrixBy({ samples }, FILES.deeper.slice(0, 3), options);
    expect(numbersOf(found)).toEqual(numbersOf(await similarityMatrix(FILES.deeper.slice(0, 3), options)));
    expect(watched).toBeGreaterThan(1000);
  });

  it('has a result that is refused where it is another one', async () => {
    const job = { rows: [0, 1], columns: [2], symmetric: false };
    const good = { schema: 'tensim.tile-result/1', total: base64(1, 2) };
    expect(await readTile(good, job, 0)).toEqual({ total: Float64Array.of(1, 2) });
    for (const change of [{ total: base64(1) }, { total: 7 }, { perOutput: base64(1, 2) }, { exponents: 'AAAA' }]) {
      await expect(readTile({ ...good, ...change }, job, 0)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
    await expect(readTile(good, job, 3)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('stops with the reason of its signal', async () => {
    await expect(runJob(await plain(), { signal: AbortSignal.abort('stop') })).rejects.toBe('stop');
  });
});

function base64(...numbers: number[]): string {
  return Buffer.from(Float64Array.from(numbers).buffer).toString('base64');
}
