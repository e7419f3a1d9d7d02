import { Pacer } from '../cooperate.js';
import { precisionOf } from '../tensor/tensor.js';
import type { Cells } from './gram/cells.js';
import { slicesIn } from './gram/degrees.js';
import type { SampledGram } from './sampled/sampled.js';
import type { ResolvedSettings } from './terms/options.js';
import type { Matrix, ResultInfo } from './terms/types.js';

/** What of a comparison its result depends on. */
interface Compared {
  readonly settings: Pick<ResolvedSettings, 'signal' | 'perOutput'> & {
    readonly degrees?: boolean | undefined;
  };
  readonly info: Pick<ResultInfo, 'dtype' | 'tf32'>;
  /** Of the slices. */
  readonly names: readonly string[];
}

/** What the cells hold, with the errors of what was sampled. */
export async function resultOf(cells: Cells, { settings, names, info }: Compared, sampled?: SampledGram) {
  const pacer = new Pacer(settings.signal);
  const { perOutput, degrees } = settings;
  const outputs = slicesIn(names, perOutput, false);
  const errors = sampled && (await cells.spread(sampled.standardError, 1, 0, pacer));
  const sliceErrors: Matrix[] = [];
  const { perOutputError } = sampled ?? {};
  for (const s of perOutputError ? names.keys() : []) {
    sliceErrors.push(await cells.spread(perOutputError!, names.length, s, pacer));
  }
  return {
    ...cells.certified(info.dtype),
    ...(sampled && { standardError: largest(sampled.standardError), sampling: sampled.sampling }),
    gram: cells.gram,
    cosine: await cells.cosines(pacer),
    ...(errors && { cosineError: errors }),
    ...(perOutput && {
      perOutput: {
        names,
        gram: cells.sliceGrams(outputs),
        cosine: await cells.sliceCosines(outputs, pacer),
        ...(perOutputError && { cosineError: sliceErrors }),
      },
    }),
    ...(degrees && { degrees: await cells.degrees(outputs, precisionOf(info.dtype, info), pacer) }),
  };
}

function largest(values: Float64Array): number {
  return values.reduce((most, value) => Math.max(most, value), 0);
}
