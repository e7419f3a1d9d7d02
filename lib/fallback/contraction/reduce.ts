import type { TensorData } from '../../tensor/tensor.js';
import { fillOffsets } from './bundle.js';
import type { Reduction, Work } from './product.js';

/** Kept and summed indices taken together: their sums are carried in float64, whatever the tensor is. */
const KEPT = 1024;
const SUMMED = 1024;

/** out[x] (+)= Σ_w a[x w]. */
export function* reduceLoops(step: Reduction): Work {
  const { a, batch: kept, contracted: summed, out } = step;
  const keptA = new Int32Array(Math.min(KEPT, Math.max(1, kept.total)));
  const keptOut = new Int32Array(keptA.length);
  const summedA = new Int32Array(Math.min(SUMMED, Math.max(1, summed.total)));
  const sums = new Float64Array(keptA.length);
  const near = (strides: readonly number[]) => Math.abs(strides.at(-1) ?? Number.POSITIVE_INFINITY);
  // The inner loop runs where the operand is contiguous.
  const along = near(summed.a) <= near(kept.a) ? sumAlong : sumAcross;
  let heldSummed = -1;
  for (let x = 0; x < kept.total; x += KEPT) {
    const keptCount = Math.min(KEPT, kept.total - x);
    fillOffsets(kept.sizes, kept.a, x, keptCount, keptA);
    fillOffsets(kept.sizes, kept.out, x, keptCount, keptOut);
    sums.fill(0);
    for (let w = 0; w < summed.total; w += SUMMED) {
      const summedCount = Math.min(SUMMED, summed.total - w);
      if (heldSummed !== w) fillOffsets(summed.sizes, summed.a, w, summedCount, summedA);
      heldSummed = w;
      along(a, step.aAt, step.aScale, keptA, keptCount, summedA, summedCount, sums);
      yield keptCount * summedCount;
    }
    for (let i = 0; i < keptCount; i++) {
      const at = step.outAt + keptOut[i];
      out[at] = step.accumulate ? out[at] + sums[i] : sums[i];
    }
  }
}

function sumAlong(
  a: TensorData,
  aAt: number,
  scale: number,
  kept: Int32Array,
  keptCount: number,
  summed: Int32Array,
  summedCount: number,
  sums: Float64Array,
): void {
  for (let i = 0; i < keptCount; i++) {
    const at = aAt + kept[i];
    let even = 0;
    let odd = 0;
    let w = 0;
    for (; w + 1 < summedCount; w += 2) {
      even += a[at + summed[w]] * scale;
      odd += a[at + summed[w + 1]] * scale;
    }
    if (w < summedCount) even += a[at + summed[w]] * scale;
    sums[i] += even + odd;
  }
}

function sumAcross(
  a: TensorData,
  aAt: number,
  scale: number,
  kept: Int32Array,
  keptCount: number,
  summed: Int32Array,
  summedCount: number,
  sums: Float64Array,
): void {
  for (let w = 0; w < summedCount; w++) {
    const at = aAt + summed[w];
    for (let i = 0; i < keptCount; i++) sums[i] += a[at + kept[i]] * scale;
  }
}
