import { copyFileSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Model } from '../../lib/model/model.js';
import { similarityMatrix } from '../../lib/similarity/matrix.js';
import type { MatrixOptions } from '../../lib/similarity/terms/types.js';
import { hearWarnings } from '../../lib/words/warning.js';
import { addressOf } from '../../lib/workers/address.js';
import { type Link, link } from '../../lib/workers/link.js';
import { matrixByWorkers } from '../../lib/workers/matrix.js';
import { queueOf } from '../../lib/workers/names.js';
import type { WorkerEvent, WorkerOptions, WorkerState } from '../../lib/workers/terms.js';
import { runWorker } from '../../lib/workers/worker.js';
import { hasRedis, type RedisServer, redisServer } from '../../scripts/redis.mjs';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { availableBackends } from '../support/backends.js';
import { saveModel } from '../support/model_files.js';
import { modelOf, randomBlock, randomLinear } from '../support/models.js';
import { random } from '../support/random.js';

if (!hasRedis) console.warn('skipped: there is no redis-server; apt-get install redis-server provides it');

const root = temporaryFolder();
const draw = random(7);
let saved = 0;
const save = (models: readonly Model[]) => Promise.all(models.map((model) => saveModel(root, `m${saved++}`, model)));
const block = (beta = 1) => ({ ...randomBlock(draw, { inputs: 4, hidden: 5, outputs: 4, biases: true }), beta });
const files = await save(Array.from({ length: 7 }, () => modelOf([randomLinear(draw, 4, 4), block()])));
const huge = await save(Array.from({ length: 4 }, (_, i) => modelOf([block(2 ** (600 - 150 * i))])));
/** Whose products take the fallback some tenths of a second each. */
const slow = await save(
  Array.from({ length: 4 }, () => modelOf([randomBlock(draw, { inputs: 160, hidden: 160, outputs: 3 })])),
);
const SLOW = { backend: 'fallback', route: 'factor' } as const;
const numbersOf = (result: object) => JSON.parse(JSON.stringify({ ...result, work: null, workers: null }));

let redis: RedisServer;
let own: Link;
beforeAll(async () => {
  if (!hasRedis) return;
  redis = await redisServer();
  own = await link(addressOf(redis.url));
});
beforeEach(() => own?.redis.flushall());
afterAll(async () => {
  await own?.close();
  await redis?.remove();
});

/** A worker in this process. */
function worker(options: Partial<WorkerOptions> = {}) {
  const stop = new AbortController();
  const events: WorkerEvent[] = [];
  const onEvent = (event: WorkerEvent) => events.push(event);
  const ended = runWorker({ queue: redis.url, signal: stop.signal, grace: 0, onEvent, ...options });
  ended.catch(() => {});
  const kinds = () => events.map(({ kind }) => kind);
  return { stop: () => stop.abort(), ended, events, kinds };
}

/** Workers in this process, until all is done. */
async function withWorkers<Result>(
  options: readonly Partial<WorkerOptions>[],
  work: (workers: readonly ReturnType<typeof worker>[]) => Promise<Result>,
): Promise<Result> {
  const workers = options.map(worker);
  try {
    return await work(workers);
  } finally {
    for (const { stop } of workers) stop();
    await Promise.all(workers.map(({ ended }) => ended));
  }
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let turn = 0; !(await holds()); turn++) {
    if (turn > 2000) throw new Error('it does not come to that');
    await wait(10);
  }
}

/** What is left in the server of runs and their tiles. */
const leftovers = async () => [...(await own.redis.keys('tensim-run:*')), ...(await own.redis.keys('tensim:*-[0-9]*'))];

const WAYS: [title: string, files: readonly string[], options: MatrixOptions][] = [
  ['plain', files, {}],
  ['per output in float32', files, { perOutput: true, dtype: 'float32' }],
  ['by degrees', files, { degrees: true }],
  ['of weights', files, { measure: 'weights', perOutput: true }],
  ['of rows with columns', files, { rows: [5, 0], columns: [1, 3, 4] }],
  ['within a window', files, { window: 1 }],
  ['out of the range of numbers', huge, { perOutput: true }],
];

describe.skipIf(!hasRedis).each(availableBackends)('a matrix of workers on %s', (backend) => {
  it.each(WAYS)('has the bits of one computed here, %s', async (_, files, options) => {
    const whole = await similarityMatrix(files, { backend, ...options });
    const workers = [{ backend }, { backend, memoryLimit: 300_000 }];
    const [by, done] = await withWorkers(workers, async (workers) => {
      const result = await matrixByWorkers(files, { ...options, backend, queue: redis.url, tileSeconds: 1e-12 });
      return [result, workers.flatMap(({ kinds }) => kinds()).filter((kind) => kind === 'done').length];
    });
    expect(numbersOf(by)).toEqual(numbersOf(whole));
    expect(done).toBeGreaterThan(2);
    expect(by.workers.reduce((sum, { tiles }) => sum + tiles, 0)).toBe(done);
    expect(by.mixed).toBeUndefined();
    expect(await leftovers()).toEqual([]);
  });
});

describe.skipIf(!hasRedis)('a matrix of workers', () => {
  const computing = (options: Partial<Parameters<typeof matrixByWorkers>[1]> = {}, paths = files) =>
    matrixByWorkers(paths, { backend: 'fallback', queue: redis.url, ...options });

  it('is stopped by its signal, and leaves nothing in the server', async () => {
    const stop = new AbortController();
    await withWorkers([{ backend: 'fallback' }], async ([{ kinds }]) => {
      const asked = computing({ ...SLOW, signal: stop.signal, tileSeconds: 1000 }, slow);
      await until(() => kinds().includes('begun'));
      stop.abort(new Error('enough'));
      await expect(asked).rejects.toThrow('enough');
      expect(await own.redis.keys('tensim-run:*')).toEqual([]);
      // The worker notices, and ends what it computes.
      await until(() => kinds().some((kind) => kind === 'dropped' || kind === 'done'));
    });
  });

  it('goes to another worker where one is stopped', async () => {
    const first = worker({ backend: 'fallback' });
    const asked = computing({ ...SLOW, tileSeconds: 1000 }, slow);
    await until(() => first.kinds().includes('begun'));
    first.stop();
    expect(await first.ended).toEqual({ done: 0, returned: 1 });
    expect(first.events.at(-1)).toMatchObject({ kind: 'returned', message: 'the worker was stopped' });
    const second = await withWorkers([{ backend: 'fallback' }], async ([{ events }]) => [await asked, events] as const);
    expect(numbersOf(second[0])).toEqual(numbersOf(await similarityMatrix(slow, SLOW)));
  });

  it('lets a worker that is stopped finish its tile in time', async () => {
    const first = worker({ backend: 'fallback', grace: 60 });
    const asked = computing({ ...SLOW, tileSeconds: 1000 }, slow);
    await until(() => first.kinds().includes('begun'));
    first.stop();
    expect(await first.ended).toEqual({ done: 1, returned: 0 });
    expect((await asked).workers).toMatchObject([{ numerics: 'fallback', tiles: 1 }]);
  });

  it('tells who computes what, and who is not there', async () => {
    const heard: string[] = [];
    const deaf = hearWarnings((text) => heard.push(text));
    const seen: WorkerState[] = [];
    const asked = computing({ ...SLOW, tileSeconds: 1e-9, onWorkers: (workers) => seen.push(...workers) }, slow);
    await until(() => heard.length > 0);
    expect(heard).toEqual([expect.stringContaining('no worker for fallback is there (none at all): start some with')]);
    await withWorkers([{ backend: 'fallback' }], () => asked);
    deaf();
    const label = expect.stringMatching(/^m\d+/);
    const tile = { rows: [label, label], columns: [label, label] };
    if (seen.length > 0) expect(seen).toContainEqual(expect.objectContaining({ numerics: 'fallback' }));
    for (const { tile: at } of seen) if (at !== null) expect(at).toMatchObject(tile);
  });

  it('is refused where the file of a worker is another', async () => {
    const folder = join(root, 'changing');
    mkdirSync(folder);
    const names = readdirSync(root).filter((name) => /^m[01]\./.test(name));
    for (const name of names) copyFileSync(join(root, name), join(folder, name));
    const paths = files.slice(0, 2).map((path) => join(folder, path.slice(root.length + 1)));
    const asked = computing({}, paths);
    asked.catch(() => {});
    await until(async () => (await own.redis.keys('tensim-run:*')).length > 0);
    copyFileSync(join(root, 'm2.safetensors'), join(folder, 'm1.safetensors'));
    await withWorkers([{ backend: 'fallback' }], async ([{ events }]) => {
      await expect(asked).rejects.toMatchObject({
        code: 'WORKER_FAILED',
        message: expect.stringMatching(
          /the only worker cannot compute .*"m0" … "m1".* not the one that the job is about/,
        ),
      });
      expect(events.some(({ kind }) => kind === 'done')).toBe(false);
    });
    expect(await leftovers()).toEqual([]);
  });

  it('fails as it would here where the models are at fault', async () => {
    const zero = { ...block(), down: { data: new Float64Array(20), shape: [4, 5] } };
    const [file] = await save([modelOf([{ ...zero, downBias: undefined } as never])]);
    const paths = [file, ...(await save([modelOf([block()])]))];
    const here = await similarityMatrix(paths, { backend: 'fallback' }).catch((error: unknown) => error);
    expect(here).toMatchObject({ code: 'ZERO_NORM' });
    await withWorkers([{ backend: 'fallback' }], async () => {
      const { code, message } = here as { code: string; message: string };
      await expect(computing({}, paths)).rejects.toMatchObject({ code, message });
    });
  });

  it('names the models of a tile that workers die over', async () => {
    const asked = computing({ tileSeconds: 1000 });
    asked.catch(() => {});
    const key = `tensim:${queueOf('fallback')}:*-0`;
    await until(async () => (await own.redis.keys(key)).length > 0);
    const [job] = await own.redis.keys(key);
    await own.redis.hset(job, 'stc', '3');
    await expect(asked).rejects.toMatchObject({
      code: 'WORKER_FAILED',
      message: expect.stringMatching(/^3 workers have died over the products of "m\d" … "m\d" with "m\d" … "m\d"/),
    });
    expect(await leftovers()).toEqual([]);
  });

  it('puts tiles that the server has forgotten there again', async () => {
    const asked = computing({ tileSeconds: 1e-12 });
    await until(async () => (await own.redis.keys('tensim-run:*')).length > 0);
    await own.redis.flushall();
    const by = await withWorkers([{ backend: 'fallback' }], () => asked);
    expect(numbersOf(by)).toEqual(numbersOf(await similarityMatrix(files, { backend: 'fallback' })));
  });

  it('is dropped by workers when nobody waits for it', async () => {
    const queue = own.queue(queueOf('fallback'));
    await queue.add(
      'tile',
      { run: 'gone', tile: 0, rows: '0-3', seconds: 1 },
      { jobId: 'gone-0', removeOnComplete: true },
    );
    await queue.add('tile', { hostile: true }, { jobId: 'hostile-0', removeOnFail: true });
    await withWorkers([{ backend: 'fallback' }], async ([{ events }]) => {
      await until(() => events.some(({ kind }) => kind === 'dropped'));
      await until(async () => (await queue.getJobCounts('wait', 'active', 'delayed', 'failed')).active === 0);
    });
    const counts = await queue.getJobCounts('wait', 'active', 'delayed', 'failed', 'completed');
    expect(Object.values(counts)).toEqual([0, 0, 0, 0, 0]);
  });

  it.skipIf(availableBackends.length < 2)('says so where workers of several kinds may compute it', async () => {
    const options = { backend: 'native', mixed: true, tileSeconds: 1e-12 } as const;
    const by = await withWorkers([{ backend: 'native' }, { backend: 'fallback' }], async (workers) => {
      await until(() => workers.every(({ kinds }) => kinds().includes('ready')));
      return computing(options);
    });
    expect(by.mixed).toEqual(['fallback', expect.stringMatching(/^native /)]);
    await expect(computing({ mixed: true, state: join(root, 'state') })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  });

  it('takes up where a state file ends', async () => {
    const state = join(root, 'run.state');
    await similarityMatrix(files.slice(0, 4), { backend: 'fallback', state });
    const by = await withWorkers([{ backend: 'fallback' }], () => computing({ state }));
    expect(by.work).toMatchObject({ reused: 10, pairs: 28 });
    expect(numbersOf(by)).toEqual(numbersOf(await similarityMatrix(files, { backend: 'fallback' })));
  });

  it('is not of samples, or of models in memory', async () => {
    await expect(computing({ method: 'sampled', maxSamples: 1024 })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    const inMemory = matrixByWorkers([modelOf([block()]), modelOf([block()])], { queue: redis.url });
    await expect(inMemory).rejects.toMatchObject({ message: expect.stringContaining('in memory') });
  });
});

it.skipIf(!hasRedis)('a worker stops by itself where there is nothing to do', async () => {
  expect(await runWorker({ queue: redis.url, backend: 'fallback', maxIdle: 0.2 })).toEqual({ done: 0, returned: 0 });
});
