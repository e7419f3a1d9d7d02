import { applyActivation } from '../../gaussian/activations/evaluate.js';
import { activationOf } from '../../layers/activations.js';
import type { ActivationLayer } from '../../model/model.js';
import type { FallbackLayer } from './kind.js';
import { unitsClosure } from './units.js';

export const activation: FallbackLayer = {
  async forward(layer: ActivationLayer, { data, count, width }) {
    const rows = { data: data.slice(), count, width };
    applyActivation(activationOf(layer), layer.slopes?.data ?? null, rows);
    return rows;
  },

  closure: unitsClosure,
};
