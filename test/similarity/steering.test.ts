import { describe, expect, it } from 'vitest';
import type { Backend, PreparedModel } from '../../lib/backend/backend.js';
import { selectBackend } from '../../lib/backend/select.js';
import { type GramSettings, gramMatrix, gramPair } from '../../lib/similarity/gram.js';
import { similarityMatrix } from '../../lib/similarity/matrix.js';
import { similarity } from '../../lib/similarity/similarity.js';
import { chainSources } from '../../lib/similarity/sources.js';
import type { Progress } from '../../lib/similarity/types.js';
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
  /** A backend that counts, and fails or aborts at a given call of `gramTile`. */
  function counting(onTile: (tile: number) => void) {
    const inner = selectBackend('fallback');
    const counts = { prepared: 0, disposed: 0, tiles: 0 };
    const backend: Backend = {
      ...inner,
      async prepare(source, dtype) {
        const model = await inner.prepare(source, dtype);
        counts.prepared++;
        const dispose = () => {
          counts.disposed++;
          model.dispose();
        };
        originals.set(Object.assign(Object.create(model) as PreparedModel, { dispose }), model);
        return [...originals.keys()].at(-1)!;
      },
      gramTile(job, rows, columns, control) {
        onTile(counts.tiles++);
        const own = (wrapped: readonly PreparedModel[]) => wrapped.map((model) => originals.get(model)!);
        return inner.gramTile(job, own(rows), own(columns), control);
      },
    };
    const originals = new Map<PreparedModel, PreparedModel>();
    return { backend, counts };
  }

  const run = (backend: Backend, count: number, signal?: AbortSignal) => {
    const list = models(count);
    const settings: GramSettings = {
      backend,
      measure: 'gaussian',
      dtype: 'float64',
      perOutput: false,
      threads: undefined,
      signal,
      onProgress: undefined,
    };
    const labels = list.map(({ label }) => label);
    return { sources: chainSources(list, 'one-block', { sigma: 1 }), labels, settings };
  };

  it('are prepared once each and disposed of at the end, over all tiles', async () => {
    const { backend, counts } = counting(() => {});
    const { sources, labels, settings } = run(backend, 70);
    await gramMatrix(sources, labels, settings);
    expect(counts).toEqual({ prepared: 70, disposed: 70, tiles: 6 });
  });

  it('are prepared once if they stand twice', async () => {
    const { backend, counts } = counting(() => {});
    const [a, b] = models(2);
    const { settings } = run(backend, 2);
    await gramMatrix(chainSources([a, b, a, a], 'one-block', { sigma: 1 }), ['a', 'b', 'a', 'a'], settings);
    await gramPair(chainSources([b, b], 'one-block', { sigma: 1 }), ['b', 'b'], settings);
    expect(counts).toMatchObject({ prepared: 3, disposed: 3 });
  });

  it('are disposed of when a tile fails', async () => {
    const { backend, counts } = counting((tile) => {
      if (tile === 2) throw new Error('tile failed');
    });
    const { sources, labels, settings } = run(backend, 70);
    await expect(gramMatrix(sources, labels, settings)).rejects.toThrow('tile failed');
    expect(counts).toEqual({ prepared: 70, disposed: 70, tiles: 3 });
  });

  it('are disposed of on abort, and no further tile is begun', async () => {
    const controller = new AbortController();
    const { backend, counts } = counting((tile) => {
      if (tile === 1) controller.abort('stop');
    });
    const { sources, labels, settings } = run(backend, 70, controller.signal);
    await expect(gramMatrix(sources, labels, settings)).rejects.toBe('stop');
    expect(counts).toEqual({ prepared: 70, disposed: 70, tiles: 2 });
  });

  it('are disposed of when one cannot be prepared', async () => {
    const { backend, counts } = counting(() => {});
    const { sources, labels, settings } = run(backend, 3);
    const lying = { ...sources.sources[0], layers: [null] } as unknown as (typeof sources.sources)[number];
    const broken = { ...sources, sources: [...sources.sources, lying] };
    await expect(gramMatrix(broken, [...labels, 'broken'], settings)).rejects.toThrow();
    expect(counts).toEqual({ prepared: 3, disposed: 3, tiles: 0 });
  });
});
