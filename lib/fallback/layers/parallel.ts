import type { ParallelLayer } from '../../model/model.js';
import { addResidual, type Rows } from '../model/rows.js';
import type { FallbackLayer } from './kind.js';

/** α x + β Σ_k F_k(x), one branch after the other. @param of how the layers of branches run. */
export const parallel = (of: (type: string) => FallbackLayer): FallbackLayer => ({
  async forward(layer: ParallelLayer, x, positions, pacer) {
    let sum: Rows | undefined;
    for (const branch of layer.branches) {
      let rows = x;
      for (const inner of branch) rows = await of(inner.type).forward(inner, rows, positions, pacer);
      if (sum === undefined) sum = rows;
      else for (let i = 0; i < rows.data.length; i++) sum.data[i] += rows.data[i];
    }
    return addResidual(sum!, x, layer);
  },
});
