import type { EnsembleShape } from '../../similarity/sampled/ensemble.js';
import { Estimate, type EstimateSettings } from '../../similarity/sampled/estimate.js';
import { GROUPS } from '../../similarity/sampled/jackknife.js';
import { inputsAfter, isLast } from '../../similarity/sampled/sampled.js';
import { differentIn, type SampledHeader } from './header.js';
import { groupsIn, type SampledPart } from './part_file.js';
import type { KeptStage } from './records.js';

/** The models of a matrix, as estimates know them. */
function ensembleIn({ matrix, shape }: SampledHeader, places: readonly number[]): EnsembleShape {
  const { evaluated, labels } = matrix;
  const count = differentIn({ matrix });
  const named = Array.from({ length: count }, (_, number) => labels[evaluated.indexOf(number)]);
  return { ...shape, count, labels: named, places };
}

/**
 * An estimate of the groups of a stage that are in some parts, to be finished; and which of them are in none.
 * @param parts that have decided on the same stage.
 * @param places of the models that the result is of, among the different ones.
 */
export async function foundIn(
  parts: readonly SampledPart[],
  places: readonly number[],
  signal: AbortSignal | undefined,
): Promise<{ readonly estimate: Estimate; readonly missing: readonly number[] }> {
  const [{ header, stage }] = parts;
  const { perOutput, seed, tolerance } = header;
  const settings: EstimateSettings = { perOutput, seed, tolerance, signal, onProgress: undefined, threads: undefined };
  const estimate = new Estimate(ensembleIn(header, places), settings, stage.basis, stage.varianceRatio);
  const there = new Set<number>();
  for (const part of parts) {
    signal?.throwIfAborted();
    await groupsIn(part, ({ group, state }) => {
      if (!there.has(group)) estimate.put(group, state);
      there.add(group);
    });
  }
  const missing = Array.from({ length: GROUPS }, (_, group) => group).filter((group) => !there.has(group));
  return { estimate, missing };
}

/** The stage that one run would go on with behind one whose groups are all there; null where that was the last. */
export async function stageAfter(
  found: Estimate,
  stage: KeptStage,
  { maxSamples }: SampledHeader,
): Promise<KeptStage | null> {
  if (isLast(found, stage, { maxSamples })) return null;
  const { number, draws, ...others } = stage;
  return {
    ...others,
    number: number + 1,
    draws: { ...draws, stage: number + 1 },
    inputs: inputsAfter(found, { maxSamples }),
    basis: await found.basis(),
  };
}
