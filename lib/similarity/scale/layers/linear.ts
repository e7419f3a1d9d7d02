import type { Pacer } from '../../../cooperate.js';
import type { Layer, LinearLayer } from '../../../model/model.js';
import { featuresOf, rowLevels, shifted } from '../rows.js';
import type { Units } from '../units.js';
import { FREE, type LayerLevels, type LayerScale } from './kind.js';

export const linear: LayerScale = {
  levels: (layer: LinearLayer, input, _, pacer) => linearLevels(layer, input, pacer),
  rescale: (layer: LinearLayer, _, units, __, pacer) => rescaleLinear(layer, units, pacer),
  units: () => FREE,
};

async function linearLevels({ weight, bias }: LinearLayer, input: Float64Array, pacer: Pacer): Promise<LayerLevels> {
  return { inner: {}, out: await rowLevels(weight, bias, featuresOf(input), pacer) };
}

async function rescaleLinear(layer: LinearLayer, { from, to }: Units, pacer: Pacer): Promise<Layer> {
  const { type, weight, bias } = layer;
  return {
    type,
    weight: await shifted(weight, to, from, pacer),
    ...(bias && { bias: await shifted(bias, to, null, pacer) }),
  };
}
