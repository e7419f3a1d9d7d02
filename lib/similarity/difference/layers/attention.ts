import type { AttentionOf } from '../../../layers/attention.js';
import type { ShapeOnly } from '../../../layers/shapes.js';
import type { AttentionLayer } from '../../../model/model.js';
import { type BlockRoles, blockChanges, differenceBlock } from '../block.js';
import type { LayerDifference } from './kind.js';

const ROLES: BlockRoles = {
  factors: ['q1', 'k1', 'q2', 'k2', 'v'],
  mixer: 'o',
  fields: ({ type, heads, q1, mask, rotaryBase, alpha }: AttentionLayer, products) => ({
    type,
    heads: (products * heads) / q1.shape[0],
    mask,
    rotaryBase,
    alpha,
    beta: 1,
  }),
};

/**
 * (features of all heads · positions)² up to which attention is subtracted: at this size it takes about 8 seconds
 * natively on two cores, some 40 times as long as the pair, for a difference has six times the heads.
 */
const MOST_WORK = 2 ** 24;

export const attention: LayerDifference = {
  alike(f: AttentionLayer, g: AttentionLayer) {
    if (f.alpha !== g.alpha) return false;
    const size = ({ q1, heads }: AttentionLayer) => q1.shape[0] / heads;
    return size(f) === size(g) && f.mask === g.mask && f.rotaryBase === g.rotaryBase;
  },
  changes: (f: AttentionLayer, g: AttentionLayer, takes, gives, pacer) =>
    blockChanges(ROLES, f, g, takes, gives, pacer),
  difference: async (f: AttentionLayer, g: AttentionLayer, place, pacer) => ({
    layer: await differenceBlock(ROLES, f, g, place, pacer),
  }),
  isAffordable: ({ q1 }: AttentionOf<ShapeOnly>, positions) => (q1.shape[0] * positions) ** 2 <= MOST_WORK,
};
