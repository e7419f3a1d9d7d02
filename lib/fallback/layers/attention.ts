import type { AttentionLayer } from '../../model/model.js';
import { attentionTerms, waitingAttentionTerms } from '../gaussian/attention.js';
import { type AttentionStep, prepareAttention } from '../gaussian/attention_step.js';
import { attend } from '../model/attention.js';
import { addResidual, project } from '../model/rows.js';
import type { FallbackLayer } from './kind.js';

export const attention: FallbackLayer = {
  async forward(layer: AttentionLayer, x, positions, pacer) {
    const projections = {
      q1: await project(x, layer.q1, layer.q1Bias, pacer),
      k1: await project(x, layer.k1, layer.k1Bias, pacer),
      q2: await project(x, layer.q2, layer.q2Bias, pacer),
      k2: await project(x, layer.k2, layer.k2Bias, pacer),
      v: await project(x, layer.v, layer.vBias, pacer),
    };
    const joined = await attend(layer, projections, positions, pacer);
    return addResidual(await project(joined, layer.o, layer.oBias, pacer), x, layer);
  },

  closure: {
    prepare: prepareAttention,
    outputs: ({ form }: AttentionStep) => form.mixer.rows,
    terms: attentionTerms,
    waiting: waitingAttentionTerms,
  },
};
