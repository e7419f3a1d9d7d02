import { beforeAll, describe, expect, it } from 'vitest';
import { expandPaths } from '../../lib/model/reading/paths.js';
import { direction } from '../../lib/similarity/difference/direction.js';
import { similarityMatrix } from '../../lib/similarity/matrix.js';
import { segmentation } from '../../lib/similarity/series/segmentation.js';
import type { Matrix } from '../../lib/similarity/terms/types.js';

describe('the example of grokking', () => {
  it('has five phases, and knows what it was not taught in the last two', async () => {
    const { cosine, labels } = await similarityMatrix(await expandPaths(['examples/grokking']));
    const { phases } = await segmentation(cosine);
    const starts = phases.map(({ first }) => Number(labels[first].slice(5)));
    expect(starts).toEqual([0, 161, 4258, 10595, 22900]);
  });
});

describe('the example of a digit forgotten and learned again', () => {
  let labels: readonly string[];
  let ninth: { cosine: Matrix; gram: Matrix };
  beforeAll(async () => {
    const matrix = await similarityMatrix(await expandPaths(['examples/digits-forgetting']), { perOutput: true });
    labels = matrix.labels;
    ninth = { cosine: matrix.perOutput!.cosine[9], gram: matrix.perOutput!.gram[9] };
  });
  const at = (step: number) => labels.indexOf(`step_${String(step).padStart(5, '0')}`);

  it('shows in output 9: it falls when 9 is taken out, and returns', () => {
    const knew = ninth.cosine[at(7000)];
    expect(knew[at(6000)]).toBeGreaterThan(0.95);
    expect(knew[at(8000)]).toBeLessThan(0.4);
    expect(knew[at(9000)]).toBeGreaterThan(0.95);
  });

  it('moves against "learning 9" and then along it again', () => {
    const learning = { from: at(5000), to: at(6000) };
    expect(direction(ninth.gram, { from: at(7000), to: at(8000) }, learning)).toBeLessThan(-0.7);
    expect(direction(ninth.gram, { from: at(8000), to: at(9000) }, learning)).toBeGreaterThan(0.7);
  });
});
