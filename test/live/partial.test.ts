import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { LiveState } from '../../lib/live/feed.js';
import { partialMatrix } from '../../lib/live/partial.js';
import { reportHtml } from '../../lib/report/write.js';
import type { Begun } from '../../lib/similarity/circumstances.js';
import { matrixUnder } from '../../lib/similarity/matrix.js';
import type { CrossSimilarity, MatrixOptions, SimilarityMatrix } from '../../lib/similarity/terms/types.js';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { checkpointBytes, nameOf, renameInto } from './checkpoints.js';

describe('a matrix on the way', () => {
  const folder = temporaryFolder();
  const files = Array.from({ length: 12 }, (_, i) => join(folder, nameOf(10 * i)));
  for (const [i, file] of files.entries()) renameInto(file, checkpointBytes(10 * i));

  /** What there was before the last part came. */
  async function halfway(options: MatrixOptions) {
    let begun: Begun | undefined;
    const parts: Promise<SimilarityMatrix | CrossSimilarity>[] = [];
    const onTile = () => parts.push(partialMatrix(begun!));
    // So little memory that there are many parts.
    const whole = await matrixUnder(
      {
        onBegin: (one) => {
          begun = one;
        },
      },
      files,
      { backend: 'fallback', memoryLimit: 8000, ...options, onTile },
    );
    return { begun: begun!, whole, parts: await Promise.all(parts) };
  }

  it('has what is known, nothing else, and in the end everything', async () => {
    const { whole, parts } = await halfway({ perOutput: true });
    expect(parts.length).toBeGreaterThan(3);
    const known = parts.map(({ cosine }) => cosine.flatMap((row) => [...row]).filter((x) => !Number.isNaN(x)).length);
    expect(known).toEqual([...known].sort((a, b) => a - b));
    expect(known[0]).toBeLessThan(144);
    for (const { cosine } of parts)
      for (const [i, row] of cosine.entries())
        for (const [j, value] of row.entries()) if (!Number.isNaN(value)) expect(value).toBe(whole.cosine[i][j]);
    const last = parts.at(-1) as SimilarityMatrix;
    const { cosine, labels, perOutput, sources, window } = whole as SimilarityMatrix;
    expect(last.cosine).toEqual(cosine);
    expect([last.labels, last.sources, last.window]).toEqual([labels, sources, window]);
    expect(last.perOutput!.cosine).toEqual(perOutput!.cosine);
    expect(await reportHtml(parts[0])).toContain('12 models');
  });

  it('is one of rows against columns too', async () => {
    const { whole, parts } = await halfway({ reference: 0 });
    const { cosine, rows, columns, rowSources } = whole as CrossSimilarity;
    expect(parts.at(-1)).toMatchObject({ kind: 'cross', cosine, rows, columns, rowSources });
    expect(await reportHtml(parts[0])).toContain('12 models against 1');
  });

  it('is told of when there is more in it, not before it has taken a while, and not too often', async () => {
    const { begun, whole } = await halfway({});
    const state = new LiveState();
    const versions: [number, boolean][] = [];
    state.subscribe((kind) => {
      const found = state.after(0).find(({ event }) => event.kind === kind)!.event;
      if (found.kind === 'report') versions.push([found.version, found.whole]);
    });
    expect(await state.page()).toBeUndefined();
    state.begin(begun);
    const end = performance.now() + 2300;
    while (performance.now() < end) {
      state.cells();
      await wait(5);
    }
    expect(versions.length).toBeGreaterThan(0);
    expect(versions.length).toBeLessThanOrEqual(2);
    const [one, other] = await Promise.all([state.page(), state.page()]);
    // Made once, however many ask.
    expect(one!.html).toBe(other!.html);
    expect(one!.html).toContain('12 models');
    state.report(whole);
    state.cells();
    await wait(700);
    expect(versions.at(-1)).toEqual([versions.length, true]);
    expect((await state.page())!.version).toBe(versions.length);
  });
});
