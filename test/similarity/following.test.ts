import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Following } from '../../lib/similarity/circumstances.js';
import { matrixUnder, similarityMatrix } from '../../lib/similarity/matrix.js';
import { Visits } from '../../lib/similarity/members/visits.js';
import type { MatrixOptions, SimilarityMatrix } from '../../lib/similarity/terms/types.js';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { checkpointBytes, nameOf, renameInto } from '../live/checkpoints.js';

describe('matrices that follow each other', () => {
  const folder = temporaryFolder();
  const files = Array.from({ length: 6 }, (_, i) => join(folder, nameOf(10 * i)));
  for (const [i, file] of files.entries()) renameInto(file, checkpointBytes(10 * i));
  const following: Following = {
    visits: new Visits(),
    scratch: join(folder, 'scratch'),
    room: Number.POSITIVE_INFINITY,
  };
  const follow = async (paths: readonly string[], options: MatrixOptions = {}) =>
    (await matrixUnder({ following, order: { by: 'metadata', key: 'step' } }, paths, options)) as SimilarityMatrix;

  it('compute what none before had, and are what they would be by themselves', async () => {
    // Files so young could be written to again without a trace, and are not believed to be what they were.
    await new Promise((done) => setTimeout(done, 150));
    const first = await follow(files.slice(0, 4));
    expect(first.work).toMatchObject({ pairs: 10, reused: 0 });
    expect(first.order).toEqual({ by: 'metadata', key: 'step' });
    const second = await follow(files);
    expect(second.work).toMatchObject({ pairs: 21, reused: 10 });
    const { gram, cosine, labels, sources, route } = await similarityMatrix(files);
    expect([second.gram, second.cosine, second.labels, second.sources, second.route]).toEqual([
      gram,
      cosine,
      labels,
      sources,
      route,
    ]);
    const third = await follow(files);
    expect(third.work).toMatchObject({ reused: 21, prepared: 0 });
  });

  it('look at nothing in files that are as they were', async () => {
    const [file] = files;
    const visit = await following.visits.at(file);
    expect(visit?.outline.provenance.sha256).toMatch(/^[0-9a-f]{64}$/);
    await follow(files);
    expect(await following.visits.at(file)).toBe(visit);
    renameInto(file, checkpointBytes(0, 3));
    expect(await following.visits.at(file)).toBeUndefined();
    const { work, sources } = await follow(files);
    expect(work).toMatchObject({ pairs: 21, reused: 15 });
    expect(sources?.[0].sha256).not.toBe(visit?.outline.provenance.sha256);
  });

  it('are not led by what others before them were computed by', async () => {
    for (const route of ['factor', 'dense'] as const) await follow(files, { route });
    const alone = await similarityMatrix(files);
    const { route, gram } = await follow(files);
    expect([route, gram]).toEqual([alone.route, alone.gram]);
  });

  it('keep to their room, whatever it costs', async () => {
    const small = { ...following, scratch: join(folder, 'other'), room: 12_000 };
    const { gram, work } = (await matrixUnder({ following: small }, files, {})) as SimilarityMatrix;
    expect(work.prepared).toBeGreaterThan(6);
    expect(gram).toEqual((await similarityMatrix(files)).gram);
  });
});
