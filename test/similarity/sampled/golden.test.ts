import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadModel } from '../../../lib/model/reading/load.js';
import { similarityMatrix } from '../../../lib/similarity/matrix.js';
import { availableBackends } from '../../support/backends.js';
import { inCampaign } from '../../support/campaign.js';

const here = import.meta.dirname;
const readJson = (name: string) => JSON.parse(readFileSync(join(here, '../../golden', `${name}.json`), 'utf8'));
const example = (...path: string[]) => loadModel(join(here, '../../../examples', ...path));

interface SeedsCase {
  readonly blocks: number;
  readonly seeds: readonly [number, number];
  readonly exact?: { readonly cosine: number };
  readonly monte_carlo: { readonly cosine: number; readonly standard_error: number };
}
interface Induction {
  readonly files: readonly string[];
  readonly laws: Readonly<
    Record<
      'tokens' | 'onehot' | 'standard',
      Readonly<Record<'cosine' | 'standard_error', readonly (readonly number[])[]>>
    >
  >;
}

describe.each(availableBackends)('sampling real networks on %s', (backend) => {
  test.each([1, 2, 3])('digits, %i blocks: the exact similarities, or those of millions of samples', async (blocks) => {
    const cases = (readJson('digits-seeds').cases as readonly SeedsCase[]).filter((golden) => golden.blocks === blocks);
    const models = await Promise.all(
      [0, 1, 2].map((seed) => example('digits-seeds', `deep${blocks}_seed${seed}.safetensors`)),
    );
    // What is asserted is relative to the error that comes of them; a campaign asks for the smallest.
    const maxSamples = backend === 'fallback' ? 8192 : inCampaign ? 262_144 : 65_536;
    const options = { backend, method: 'sampled', tolerance: 0.02, maxSamples } as const;
    const { cosine, cosineError } = await similarityMatrix(models, options);
    for (const {
      seeds: [i, j],
      exact,
      monte_carlo,
    } of cases) {
      const error = exact ? cosineError![i][j] : Math.hypot(cosineError![i][j], monte_carlo.standard_error);
      expect(Math.abs(cosine[i][j] - (exact ?? monte_carlo).cosine)).toBeLessThan(4 * error);
    }
  });

  const { files, laws }: Induction = readJson('induction');
  const FEW = [0, 5, 12, 23];

  test.each(['tokens', 'onehot', 'standard'] as const)(
    'induction under %s: all pairs within 4 combined errors',
    async (input) => {
      // The fallback takes a few of the models, early and late ones: all of them are a campaign's.
      const few = backend === 'fallback' && !inCampaign;
      const taken = few ? FEW : files.map((_, i) => i);
      const models = await Promise.all(taken.map((i) => example('induction', files[i])));
      const enough = backend === 'fallback' ? 1024 : 4096;
      const maxSamples = inCampaign ? 4 * enough : input === 'standard' ? enough : 2 * enough;
      const found = await similarityMatrix(models, { backend, input, maxSamples, dtype: 'float32' });
      expect(found).toMatchObject({ method: 'sampled', input });
      const golden = laws[input];
      for (const [i, row] of found.cosine.entries()) {
        for (let j = 0; j < i; j++) {
          const [a, b] = [taken[i], taken[j]];
          const error = Math.hypot(found.cosineError![i][j], golden.standard_error[a][b]);
          expect(Math.abs(row[j] - golden.cosine[a][b])).toBeLessThan(4 * error);
        }
      }
      // N(0, I) leaves nearly everything open here, and a result that hid that would be wrong.
      const { interval, tokenModels, effectiveSamples } = found.sampling!;
      if (input === 'tokens') expect(interval).toBeLessThan(0.1);
      else
        expect({ wide: interval > 0.1, tokenModels, few: effectiveSamples < 100 }).toEqual({
          wide: true,
          tokenModels: true,
          few: true,
        });
    },
  );
});
