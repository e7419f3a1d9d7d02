import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Model } from '../../lib/model/model.js';
import { loadModel } from '../../lib/model/reading/load.js';
import { similarityMatrix } from '../../lib/similarity/matrix.js';
import { similarity } from '../../lib/similarity/similarity.js';
import type { SimilarityOptions, SimilarityResult } from '../../lib/similarity/terms/types.js';
import { availableBackends, backendsWith } from '../support/backends.js';

const here = import.meta.dirname;
const readJson = (name: string) => JSON.parse(readFileSync(join(here, '../golden', `${name}.json`), 'utf8'));

interface Series {
  readonly files: readonly string[];
  readonly tensor: SeriesMeasure;
  readonly gaussian: SeriesMeasure;
  readonly weights: { readonly cosine: readonly (readonly number[])[] };
}
interface SeriesMeasure {
  readonly gram: readonly (readonly number[])[];
  readonly cosine: readonly (readonly number[])[];
  readonly perOutput?: { readonly output: readonly number[]; readonly cosine_to_last: readonly (readonly number[])[] };
}
interface Values {
  readonly ab: number;
  readonly aa: number;
  readonly bb: number;
  readonly perOutput_ab?: readonly number[];
}
interface SmallCase {
  readonly family: string;
  readonly blocks?: number;
  readonly a: string;
  readonly b: string;
  readonly layers?: number;
  readonly gaussian_closure: Values;
  readonly gaussian_exact?: Values | null;
  readonly tensor?: Values;
  readonly input?: { readonly mean: readonly number[]; readonly cov: readonly (readonly number[])[] };
  readonly gaussian_closure_input?: Values;
  readonly gaussian_exact_input?: Values;
}
interface SeedsCase {
  readonly blocks: number;
  readonly seeds: readonly [number, number];
  readonly exact?: Values;
  readonly closure: Values;
}

/** Steps of the grokking series that are shipped. */
const GROKKING_STEPS = [
  0, 161, 457, 1079, 2247, 4258, 6256, 7504, 8943, 10595, 12483, 14630, 17063, 22900, 39339, 100000,
];
const SHIPPED: Record<string, (series: Series) => readonly string[]> = {
  'digits-backdoor': ({ files }) => files,
  'digits-forgetting': ({ files }) => files,
  grokking: () => GROKKING_STEPS.map((step) => `step_${String(step).padStart(6, '0')}.safetensors`),
};

/** The checkpoints of an example that are shipped, with their places in the golden series. */
async function shipped(series: Series, folder: string, files: readonly string[]) {
  const places = files.map((file) => series.files.indexOf(file));
  const models = await Promise.all(files.map((file) => loadModel(join(here, '../../examples', folder, file))));
  return { places, models };
}

describe.each(availableBackends)('golden values on %s', (backend) => {
  describe.each(Object.keys(SHIPPED))('%s', (name) => {
    const series: Series = readJson(name);
    const files = SHIPPED[name](series);

    it.each(['tensor', 'gaussian'] as const)('reproduces the Gram matrix of %s to 1e-10', async (measure) => {
      const { places, models } = await shipped(series, name, files);
      const { gram, cosine, perOutput } = await similarityMatrix(models, { measure, backend, perOutput: true });
      const golden = series[measure];
      for (const [i, row] of places.entries()) {
        for (const [j, column] of places.entries()) {
          const expected = golden.gram[row][column];
          const norms = Math.sqrt(golden.gram[row][row]) * Math.sqrt(golden.gram[column][column]);
          expect(Math.abs(gram[i][j] - expected)).toBeLessThanOrEqual(1e-10 * Math.max(Math.abs(expected), norms));
          expect(cosine[i][j]).toBeCloseTo(golden.cosine[row][column], 10);
        }
        for (const c of golden.perOutput?.output ?? []) {
          expect(perOutput!.cosine[c][i].at(-1)).toBeCloseTo(golden.perOutput!.cosine_to_last[c][row], 10);
        }
      }
    });

    it('reproduces the cosines of weights to 1e-6', async () => {
      const { places, models } = await shipped(series, name, files);
      const { cosine, input } = await similarityMatrix(models, { measure: 'weights', backend });
      expect(input).toBeNull();
      for (const [i, row] of places.entries()) {
        for (const [j, column] of places.entries()) {
          expect(Math.abs(cosine[i][j] - series.weights.cosine[row][column])).toBeLessThanOrEqual(1e-6);
        }
      }
    });
  });
});

describe.each(backendsWith('one-block', 'two-block', 'closure', 'tensor'))('small golden networks on %s', (backend) => {
  const cases: readonly SmallCase[] = readJson('small_models');
  const compare = (a: Model, b: Model, options: SimilarityOptions) =>
    similarity(a, b, { backend, perOutput: true, ...options });

  it.each(cases)('$a and $b: exact to 1e-9, closure and tensor to 1e-10', async (golden) => {
    const load = (file: string) => loadModel(join(here, '../golden/models', file));
    const [a, b] = [await load(golden.a), await load(golden.b)];
    const depth = golden.blocks ?? golden.layers!;
    const compared = (options: SimilarityOptions) => compare(a, b, options);
    const closure = await compared({ method: 'closure' });
    expectValues(closure, golden.gaussian_closure, 1e-10);
    expect(closure).toMatchObject({ method: 'closure', exact: depth === 1 });
    const hasExact = depth <= (golden.family === 'attention' ? 1 : 2);
    if (hasExact) {
      const exact = await compared({});
      expectValues(exact, golden.gaussian_exact ?? golden.gaussian_closure, 1e-9);
      expect(exact).toMatchObject({ method: 'exact', exact: true });
    } else await expect(compared({ method: 'exact' })).rejects.toMatchObject({ code: 'UNSUPPORTED_LAYER' });
    if (golden.tensor) expectValues(await compared({ measure: 'tensor' }), golden.tensor, 1e-10);
    if (golden.input === undefined) return;
    const input = { ...golden.input, name: basename(golden.a) };
    expectValues(await compared({ method: 'closure', input }), golden.gaussian_closure_input!, 1e-10);
    if (hasExact && golden.gaussian_exact_input)
      expectValues(await compared({ input }), golden.gaussian_exact_input, 1e-9);
  });

  it.each(readJson('digits-seeds').cases as readonly SeedsCase[])(
    'networks of $blocks blocks trained from seeds $seeds: exact to 1e-9, closure to 1e-10',
    async ({ blocks, seeds, exact, closure }) => {
      const load = (seed: number) =>
        loadModel(join(here, `../../examples/digits-seeds/deep${blocks}_seed${seed}.safetensors`));
      const [a, b] = [await load(seeds[0]), await load(seeds[1])];
      expectValues(await compare(a, b, { method: 'closure' }), closure, 1e-10);
      if (exact) expectValues(await compare(a, b, {}), exact, 1e-9);
      else await expect(compare(a, b, { method: 'exact' })).rejects.toMatchObject({ code: 'UNSUPPORTED_LAYER' });
    },
  );
});

function expectValues(result: SimilarityResult, golden: Values, tolerance: number): void {
  const close = (value: number, expected: number) => {
    const scale = Math.max(Math.abs(expected), Math.sqrt(golden.aa) * Math.sqrt(golden.bb));
    expect(Math.abs(value - expected)).toBeLessThanOrEqual(tolerance * scale);
  };
  close(result.innerProduct, golden.ab);
  close(result.normA ** 2, golden.aa);
  close(result.normB ** 2, golden.bb);
  for (const [c, expected] of (golden.perOutput_ab ?? []).entries()) {
    close(result.perOutput![c].innerProduct, expected);
  }
}
