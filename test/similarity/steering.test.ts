import { describe, expect, it } from 'vitest';
import type { BackendWith } from '../../lib/backend/backend.js';
import type { Grams, PreparedModel } from '../../lib/backend/grams.js';
import { FALLBACK } from '../../lib/fallback/backend.js';
import type { Model } from '../../lib/model/model.js';
import { Cells } from '../../lib/similarity/gram/cells.js';
import type { GramSettings } from '../../lib/similarity/gram/control.js';
import { distinct } from '../../lib/similarity/gram/distinct.js';
import { gramPair } from '../../lib/similarity/gram/pair.js';
import { allPairs, bandPairs } from '../../lib/similarity/gram/pairs.js';
import { type GramRun, gramMatrix } from '../../lib/similarity/gram/run.js';
import { chainSources } from '../../lib/similarity/gram/sources.js';
import { similarityMatrix } from '../../lib/similarity/matrix.js';
import { memberOf } from '../../lib/similarity/members/members.js';
import { similarity } from '../../lib/similarity/similarity.js';
import type { Progress } from '../../lib/similarity/terms/types.js';
import { availableBackends } from '../support/backends.js';
import { blockModel } from '../support/models.js';
import { random } from '../support/random.js';

const small = { inputs: 3, hidden: 2, outputs: 2 };
const models = (count: number, shape = small) => {
  const draw = random(count);
  return Array.from({ length: count }, (_, i) => blockModel(draw, shape, `model ${i}`));
};
/** Takes long enough on any machine for several slices of the event loop: about 2 GFLOP. */
const heavy = () => models(7, { inputs: 1024, hidden: 96, outputs: 10 });

describe.each(availableBackends)('work on %s', (backend) => {
  it('reports progress in order, phase after phase, up to the end of each', async () => {
    const reports: Progress[] = [];
    await similarityMatrix(models(70), { backend, onProgress: (progress) => reports.push(progress) });
    const phases = reports.map(({ phase }) => phase);
    expect(phases).toEqual([...phases].sort().reverse());
    for (const [phase, total] of [['prepare', 70] as const, ['compare', (70 * 71) / 2] as const]) {
      const ofPhase = reports.filter((report) => report.phase === phase);
      expect(ofPhase.every((report) => report.total === total)).toBe(true);
      const counts = ofPhase.map(({ done }) => done);
      expect(counts).toEqual([...new Set(counts)].sort((x, y) => x - y));
      expect(counts.at(-1)).toBe(total);
    }
  });

  it('reports the progress of a pair too', async () => {
    const [a, b] = models(2);
    const reports: Progress[] = [];
    await similarity(a, b, { backend, onProgress: (progress) => reports.push(progress) });
    expect(reports.at(-1)).toEqual({ phase: 'compare', done: 4, total: 4 });
  });

  it('does not start once it is aborted', async () => {
    const [a, b] = models(2);
    const reason = new Error('too late');
    const options = { backend, signal: AbortSignal.abort(reason), onProgress: () => expect.unreachable() };
    await expect(similarity(a, b, options)).rejects.toBe(reason);
    await expect(similarityMatrix([a, b], options)).rejects.toBe(reason);
  });

  it.each(['prepare', 'compare'] as const)('stops with the reason when aborted in phase %s', async (phase) => {
    const controller = new AbortController();
    const reason = { any: 'value' };
    const reports: Progress[] = [];
    const onProgress = (progress: Progress) => {
      reports.push(progress);
      if (progress.phase === phase) controller.abort(reason);
    };
    await expect(similarityMatrix(models(200), { backend, signal: controller.signal, onProgress })).rejects.toBe(
      reason,
    );
    expect(reports.filter((report) => report.phase === phase)).toHaveLength(1);
  });

  it('stops in the midst of a tile', async () => {
    const controller = new AbortController();
    const onProgress = ({ phase, done, total }: Progress) => {
      if (phase === 'prepare' && done === total) setImmediate(() => controller.abort('stop'));
    };
    const running = similarityMatrix(heavy(), { backend, signal: controller.signal, onProgress });
    await expect(running).rejects.toBe('stop');
  });

  it('passes on what a progress callback throws', async () => {
    const onProgress = () => {
      throw new Error('callback');
    };
    await expect(similarityMatrix(models(3), { backend, onProgress })).rejects.toThrow('callback');
  });

  it('leaves the event loop to others meanwhile', async () => {
    let turns = 0;
    let running = true;
    const count = () => {
      turns++;
      if (running) setImmediate(count);
    };
    const work = similarityMatrix(heavy(), { backend });
    setImmediate(count);
    await work;
    running = false;
    // Slices of 4 ms would have to hold 200 MFLOP each to be fewer: no thread of JavaScript computes so fast.
    expect(turns).toBeGreaterThanOrEqual(10);
  });
});

describe('prepared models', () => {
  /** A backend that counts, and fails or aborts at a given call of `tile`. */
  function counting(onTile: (tile: number) => void) {
    const inner = FALLBACK;
    const counts = { prepared: 0, disposed: 0, tiles: 0 };
    const once: boolean[] = [];
    const grams: Grams = {
      ...inner.grams,
      async prepare(source, dtype) {
        const model = await inner.grams.prepare(source, dtype);
        counts.prepared++;
        once.push(source.kind === 'chain' && source.once === true);
        const dispose = () => {
          counts.disposed++;
          model.dispose();
        };
        originals.set(Object.assign(Object.create(model) as PreparedModel, { dispose }), model);
        return [...originals.keys()].at(-1)!;
      },
      tile(job, rows, columns, control) {
        onTile(counts.tiles++);
        const own = (wrapped: readonly PreparedModel[]) => wrapped.map((model) => originals.get(model)!);
        return inner.grams.tile(job, own(rows), own(columns), control);
      },
    };
    const originals = new Map<PreparedModel, PreparedModel>();
    return { backend: { ...inner, grams }, counts, once };
  }

  const settingsFor = (backend: BackendWith<'grams'>, signal?: AbortSignal): GramSettings => ({
    backend,
    measure: 'gaussian',
    dtype: 'float64',
    perOutput: false,
    threads: undefined,
    signal,
    onProgress: undefined,
  });

  async function runOf(list: readonly Model[]): Promise<GramRun> {
    const { members, numbers } = await distinct(list.map(memberOf));
    const count = members.length;
    return {
      members,
      sources: chainSources(list, 'one-block', { sigma: 1 }, 'factor', { dtype: 'float64', perOutput: false }),
      pairs: allPairs(count),
      cells: new Cells({ rows: numbers, columns: numbers, count, slices: 0, window: null }),
      tile: 32,
      memoryLimit: Number.POSITIVE_INFINITY,
    };
  }

  it('are prepared once each and disposed of at the end, over all tiles', async () => {
    const { backend, counts } = counting(() => {});
    await gramMatrix(await runOf(models(70)), settingsFor(backend));
    expect(counts).toEqual({ prepared: 70, disposed: 70, tiles: 6 });
  });

  it('are said to be wanted once where all pairs are one tile', async () => {
    for (const [count, tile, whole] of [
      [32, 32, true],
      [33, 32, false],
    ] as const) {
      const { backend, counts, once } = counting(() => {});
      await gramMatrix({ ...(await runOf(models(count))), tile }, settingsFor(backend));
      expect(counts.tiles === 1).toBe(whole);
      expect(once).toEqual(Array(count).fill(whole));
    }
    const { backend, once } = counting(() => {});
    const pairs = bandPairs(
      20,
      Int32Array.from({ length: 20 }, (_, i) => i),
      1,
    );
    await gramMatrix({ ...(await runOf(models(20))), pairs }, settingsFor(backend));
    expect(once).toEqual(Array(20).fill(false));
  });

  it('are prepared once if they stand twice', async () => {
    const { backend, counts } = counting(() => {});
    const [a, b] = models(2).map(memberOf);
    const sources = chainSources([b.outline], 'one-block', { sigma: 1 }, 'factor', {
      dtype: 'float64',
      perOutput: false,
    });
    const { members } = await distinct([a, b, a, a]);
    const cells = new Cells({
      rows: Int32Array.of(0, 1, 0, 0),
      columns: Int32Array.of(0),
      count: 2,
      slices: 0,
      window: null,
    });
    await gramMatrix(
      { ...(await runOf(models(1))), members, sources, cells, pairs: allPairs(2) },
      settingsFor(backend),
    );
    await gramPair([b, b], sources, settingsFor(backend));
    expect(counts).toMatchObject({ prepared: 3, disposed: 3 });
  });

  it('are disposed of when a tile fails', async () => {
    const { backend, counts } = counting((tile) => {
      if (tile === 2) throw new Error('tile failed');
    });
    await expect(gramMatrix(await runOf(models(70)), settingsFor(backend))).rejects.toThrow('tile failed');
    expect(counts).toEqual({ prepared: 70, disposed: 70, tiles: 3 });
  });

  it('are disposed of on abort, and no further tile is begun', async () => {
    const controller = new AbortController();
    const { backend, counts } = counting((tile) => {
      if (tile === 1) controller.abort('stop');
    });
    const settings = settingsFor(backend, controller.signal);
    await expect(gramMatrix(await runOf(models(70)), settings)).rejects.toBe('stop');
    expect(counts).toEqual({ prepared: 70, disposed: 70, tiles: 2 });
  });

  it('are disposed of when one cannot be prepared', async () => {
    const { backend, counts } = counting(() => {});
    const list = models(4);
    const run = await runOf(list);
    const broken = { ...list[3], layers: [null] } as unknown as Model;
    const members = [...run.members.slice(0, 3), memberOf(broken)];
    await expect(gramMatrix({ ...run, members }, settingsFor(backend))).rejects.toThrow();
    expect(counts).toEqual({ prepared: 3, disposed: 3, tiles: 0 });
  });
});
