import type { BilinearLayer } from '../../model/model.js';
import { vectorOf } from '../../tensor/matrix.js';
import { type BilinearStep, bilinearTerms, prepareBilinear, waitingBilinearTerms } from '../gaussian/bilinear_step.js';
import { addBias, addResidual, project } from '../model/rows.js';
import type { FallbackLayer } from './kind.js';

export const bilinear: FallbackLayer = {
  async forward(layer: BilinearLayer, x, _, pacer) {
    const { left, right, down, leftBias, rightBias, downBias } = layer;
    const products = await project(x, left, leftBias, pacer);
    const { data } = await project(x, right, rightBias, pacer);
    for (let i = 0; i < data.length; i++) products.data[i] *= data[i];
    if (down !== undefined) return addResidual(await project(products, down, downBias, pacer), x, layer);
    if (downBias !== undefined) addBias(products, vectorOf(downBias, products.width));
    return addResidual(products, x, layer);
  },

  closure: {
    prepare: prepareBilinear,
    outputs: ({ form }: BilinearStep) => form.down.rows,
    terms: bilinearTerms,
    waiting: waitingBilinearTerms,
  },
};
