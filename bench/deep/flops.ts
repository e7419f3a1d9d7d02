/**
 * Flops of a pair of networks of the same sizes, self terms known, and of a forward pass. They count what the native
 * kernels do, multiply and add as two, under N(0, I) without biases; small vectors are left out. The addon counts in
 * the same unit for its progress, with less care: what it skips in attention counts as done there.
 *
 * Letters: d inputs, m the width of the stream, h hidden units, o outputs; n positions, D = heads·d_head = m; A·B of
 * (a, b) and (b, c) is 2abc flops.
 */
import type { ChainMethod } from '../../lib/backend/grams.js';
import { headPairWork } from './chain_flops.js';
import type { AttentionShape, DeepShape, Shape } from './instances.js';

/** Flops of one inner product of two different networks. */
export function pairFlops(shape: Shape, method: ChainMethod): number {
  if (shape.family === 'attention') return attentionClosure(shape);
  // A bilinear block as units takes the same four products.
  const methods = { 'one-block': oneBlock, hidden: oneBlock, 'two-block': twoBlock };
  return { ...methods, closure: deepClosure, tensor: deepTensor }[method](shape);
}

/**
 * MATH.md section 3, factor route, embedding and head folded in: the four h × h products [L; R][L'; R']ᵀ over d, then
 * their sum of products weighted by D and D', a multiply-add per output and pair of units.
 */
function oneBlock({ inputs: d, hidden: h, outputs: o }: DeepShape): number {
  return 2 * (2 * h) ** 2 * d + 2 * h * h * o;
}

/**
 * Section 5 in the r coordinates that the first blocks look at: the covariance T (r, r) of the two bases; T A Tᵀ of all
 * forms of one network, 2h of U and V, two per output; per pair of units U U' and V' V and their inner product; all
 * κ(U, U'), over r²; D and D'.
 */
function twoBlock({ inputs: d, width: m, hidden: h, outputs: o }: DeepShape): number {
  const r = Math.min(d, m);
  const carried = 2 * r * r * d + (2 * h + 2 * o) * 4 * r ** 3;
  const interleaved = h * h * (4 * r ** 3 + 2 * r * r);
  const covariances = 2 * (2 * h) ** 2 * r * r + 6 * h * h;
  return carried + interleaved + covariances + 2 * o * h * h + 2 * o * h;
}

/**
 * Section 6: E E'ᵀ, then per block [L; R] C, that times [L'; R']ᵀ, the two products of elements, D · D'ᵀ, and J C J'ᵀ
 * with the mean Jacobians, which are zero in the first block, where nothing has a mean. The head is applied on the
 * left, and only the diagonal of the rest is formed.
 */
function deepClosure({ inputs: d, width: m, hidden: h, outputs: o, blocks }: DeepShape): number {
  const products = 2 * (2 * h) * m * m + 2 * (2 * h) ** 2 * m + 3 * h * h;
  const down = 2 * m * h * h + 2 * m * h * m;
  const jacobians = 4 * m ** 3;
  return 2 * m * m * d + blocks * (products + down) + (blocks - 1) * jacobians + 2 * o * m * m + 2 * o * m;
}

/**
 * Section 7: as the closure, but with the constant as a row and column more, and with the head folded into the last D.
 */
function deepTensor({ inputs, width, hidden, outputs, blocks }: DeepShape): number {
  const [d, m, h, o] = [inputs + 1, width + 1, hidden + 1, outputs + 1];
  const products = 2 * (2 * h) * m * m + 2 * (2 * h) ** 2 * m + 6 * h * h;
  const down = (blocks - 1) * (2 * m * h * h + 2 * m * h * m) + 2 * o * h * h + 2 * outputs * h;
  return 2 * m * m * d + blocks * products + down;
}

/**
 * Section 6 for attention. Per layer: the five projections of both networks around C, first P C, then (P C) P'ᵀ; the
 * chains of every pair of heads; O on both sides of what they give; and the residual's cross terms C J'ᵀ and J C, J the
 * mean Jacobian, under the mask.
 *
 * In the first layer positions are independent and alike, so that only blocks of equal positions exist; in the last one
 * only the sum over equal positions is formed, and the unembedding applied on the left and to its diagonal.
 */
function attentionClosure({ tokens, width: m, heads, layers, positions: n }: AttentionShape): number {
  const size = m / heads;
  const causalPairs = (n * (n + 1)) / 2;
  let sum = 2 * m * m * tokens;
  for (let layer = 0; layer < layers; layer++) {
    const independent = layer === 0;
    const last = layer === layers - 1;
    const projections = (independent ? n : n * n) * (2 * (5 * m) * m * m + 2 * (5 * m) ** 2 * m);
    const { products, passes } = headPairWork({ positions: n, causal: true, independent, last });
    const chains = heads * heads * (products * 2 * size ** 3 + passes * 2 * size ** 2);
    const outward = (last ? 1 : n * n) * 4 * m ** 3;
    // (s, t) takes C[s, r] J'[t, r] for r ≤ t and J[s, r] C[r, t] for r ≤ s, where those blocks of C are not zero.
    const reached = last ? (independent ? n : causalPairs) : independent ? causalPairs : n * causalPairs;
    sum += projections + chains + outward + reached * 4 * m ** 3;
  }
  return sum + 2 * tokens * m * m + 2 * tokens * m;
}

/** Flops of a forward pass of one input; from token ids the embedding costs nothing. */
export function forwardFlops(shape: Shape, input: 'vectors' | 'tokens'): number {
  if (shape.family === 'deep') {
    const { inputs: d, width: m, hidden: h, outputs: o, blocks } = shape;
    return 2 * m * d + blocks * (2 * (2 * h) * m + h + 2 * m * h) + 2 * o * m;
  }
  const { tokens, width: m, layers, positions: n } = shape;
  // Per position: five projections, two patterns and the sum over values, all over the n positions of one block of
  // queries, and O.
  const attention = 5 * 2 * m * m + 3 * 2 * m * n + 2 * m * m;
  return n * ((input === 'vectors' ? 2 * m * tokens : 0) + layers * attention + 2 * tokens * m);
}
