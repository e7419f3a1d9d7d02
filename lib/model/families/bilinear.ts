import type { Family } from './family.js';
import { matchNames } from './family.js';

const required = ['bi_linear.weight', 'projection.weight'];
const optional = ['bi_linear.bias', 'projection.bias'];

/**
 * One bilinear layer whose two sides are stacked in one matrix, x ↦ D((L x + l) ⊙ (R x + r)) + c: `bi_linear.weight`
 * (2h, d) holds the rows of L, then those of R, `bi_linear.bias` (2h) l, then r; `projection.weight` is D (o, h) and
 * `projection.bias` c (o).
 */
export const bilinear: Family = {
  name: 'bilinear',
  looksFor: required.join(', '),
  match: (tensors) => matchNames(tensors, required, optional),
  blueprint: (tensors) => ({
    family: 'bilinear',
    positions: 1,
    layers: [
      {
        type: 'bilinear',
        left: { tensor: 'bi_linear.weight', half: 'first' },
        right: { tensor: 'bi_linear.weight', half: 'second' },
        down: { tensor: 'projection.weight' },
        ...(tensors.has('bi_linear.bias') && {
          leftBias: { tensor: 'bi_linear.bias', half: 'first' },
          rightBias: { tensor: 'bi_linear.bias', half: 'second' },
        }),
        ...(tensors.has('projection.bias') && { downBias: { tensor: 'projection.bias' } }),
        alpha: 0,
        beta: 1,
      },
    ],
  }),
};
