import type { LinearLayer } from '../../model/model.js';
import { matrixOf, vectorOf } from '../../tensor/matrix.js';
import { addBias, project } from '../model/rows.js';
import type { FallbackLayer } from './kind.js';

/** Methods fold linear layers into their neighbours. */
export const linear: FallbackLayer = {
  forward: (layer: LinearLayer, x, _, pacer) => project(x, layer.weight, layer.bias, pacer),

  /** W e_t + b for every token t: column t of W. */
  gather({ weight, bias }: LinearLayer, tokens) {
    const { data, rows: width, rowStride, columnStride } = matrixOf(weight);
    const result = new Float64Array(tokens.length * width);
    for (let row = 0; row < tokens.length; row++) {
      const from = tokens[row] * columnStride;
      for (let i = 0, to = row * width; i < width; i++, to++) result[to] = data[from + i * rowStride];
    }
    const rows = { data: result, count: tokens.length, width };
    if (bias !== undefined) addBias(rows, vectorOf(bias, width));
    return rows;
  },
};
