import type { HiddenLayer } from '../../model/model.js';
import { project } from '../model/rows.js';
import { activate, behindUnits } from '../model/units.js';
import type { FallbackLayer } from './kind.js';
import { unitsClosure } from './units.js';

export const hidden: FallbackLayer = {
  async forward(layer: HiddenLayer, x, _, pacer) {
    const units = await project(x, layer.weight, layer.bias, pacer);
    activate(layer, units);
    return behindUnits(layer, units, x, pacer);
  },

  closure: unitsClosure,
};
