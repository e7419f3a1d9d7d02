import type { SoftmaxAttentionLayer } from '../../model/model.js';
import { addResidual, project } from '../model/rows.js';
import { attendSoftly } from '../model/softmax_attention.js';
import type { FallbackLayer } from './kind.js';

export const softmaxAttention: FallbackLayer = {
  async forward(layer: SoftmaxAttentionLayer, x, positions, pacer) {
    const projections = {
      q: await project(x, layer.q, layer.qBias, pacer),
      k: await project(x, layer.k, layer.kBias, pacer),
      v: await project(x, layer.v, layer.vBias, pacer),
    };
    const joined = await attendSoftly(layer, projections, positions, pacer);
    return addResidual(await project(joined, layer.o, layer.oBias, pacer), x, layer);
  },
};
