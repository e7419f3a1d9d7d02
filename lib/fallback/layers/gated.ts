import type { GatedLayer } from '../../model/model.js';
import { project } from '../model/rows.js';
import { activate, behindUnits } from '../model/units.js';
import type { FallbackLayer } from './kind.js';
import { unitsClosure } from './units.js';

export const gated: FallbackLayer = {
  async forward(layer: GatedLayer, x, _, pacer) {
    const units = await project(x, layer.gate, layer.gateBias, pacer);
    activate(layer, units);
    const { data } = await project(x, layer.up, layer.upBias, pacer);
    for (let i = 0; i < data.length; i++) units.data[i] *= data[i];
    return behindUnits(layer, units, x, pacer);
  },

  closure: unitsClosure,
};
