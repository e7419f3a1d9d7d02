import { type Layout, PLAIN } from './layout.js';

/**
 * GPT-2 without weights in its norms, queries and keys normalised and turned the other way, with bilinear MLPs or not, and
 * scores that are squared or products of two.
 */
export const modded: Layout = {
  name: 'modded_gpt',
  layer: /^(?:transformer\.)?h\.(\d+)\.(.+)$/,
  signs: ['attn.c_q', 'mlp.Left'],
  naming: {
    ...PLAIN,
    bias: (module) => [
      `${module}.bias`,
      `${module}_bias`,
      // Of an MLP that is not bilinear, what is added behind it.
      ...(module === 'mlp.c_proj' ? ['mlp.bias'] : []),
    ],
  },
  attention: { query: ['attn.c_q'], key: ['attn.c_k'], value: ['attn.c_v'], output: ['attn.c_proj'] },
  mlp: { gate: ['mlp.Left'], up: ['mlp.Right', 'mlp.c_fc'], down: ['mlp.Down', 'mlp.c_proj'] },
  attentionNorm: [],
  mlpNorm: [],
  embedding: ['transformer.wte', 'wte'],
  finalNorm: [],
  unembedding: ['lm_head'],
  norm: 'rms',
  bareNorm: () => 'rms',
  normalisesHeads: true,
  positional: { interleaved: false, base: 10_000, reversed: true },
  partOfAttention: (layer) =>
    layer.find(['attn.c_q2.weight']) === undefined
      ? undefined
      : 'is scored by products of two scores, of which the first is compared',
  activation(settings, layer) {
    const isBilinear = layer.find(['mlp.Left.weight']) !== undefined;
    if (settings.truth(isBilinear ? 'gated' : 'squaredMlp')) return undefined;
    return isBilinear ? 'identity' : 'relu2';
  },
};
