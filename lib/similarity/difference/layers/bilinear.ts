import type { BilinearLayer } from '../../../model/model.js';
import { type BlockRoles, blockChanges, differenceBlock } from '../block.js';
import { matchUnits } from '../units.js';
import type { LayerDifference } from './kind.js';

const ROLES: BlockRoles = {
  factors: ['left', 'right'],
  mixer: 'down',
  fields: ({ type, alpha }: BilinearLayer) => ({ type, alpha, beta: 1 }),
};

export const bilinear: LayerDifference = {
  alike: () => true,
  matched: matchUnits,
  changes: (f: BilinearLayer, g: BilinearLayer, takes, gives, pacer) => blockChanges(ROLES, f, g, takes, gives, pacer),
  difference: async (f: BilinearLayer, g: BilinearLayer, place, pacer) => ({
    layer: await differenceBlock(ROLES, f, g, place, pacer),
  }),
};
