import type { Layout } from './layout.js';
import { learnedUnless } from './positions.js';

/** `attn.Q` is `attn.W_Q`, with the bias `attn.b_Q`; `attn._K` is `attn._W_K`. */
const lettered = (letter: string) => (module: string) => [module.replace(/(_?)([^._]+)$/, `$1${letter}_$2`)];

/** Networks of TransformerLens: a matrix for every head, inputs by outputs. */
export const transformerLens: Layout = {
  name: 'transformer_lens',
  layer: /^blocks\.(\d+)\.(.+)$/,
  signs: ['attn.Q', 'mlp.in'],
  naming: {
    weight: lettered('W'),
    bias: lettered('b'),
    gain: (module) => [`${module}.w`],
    shift: (module) => [`${module}.b`],
  },
  attention: {
    query: ['attn.Q'],
    // Behind an underscore where several heads share them.
    key: ['attn.K', 'attn._K'],
    value: ['attn.V', 'attn._V'],
    output: ['attn.O'],
    queryNorm: ['attn.q_norm'],
    keyNorm: ['attn.k_norm'],
  },
  mlp: { gate: ['mlp.gate'], up: ['mlp.in'], down: ['mlp.out'] },
  attentionNorm: ['ln1'],
  // Where there is but one norm, both blocks take what it gives.
  mlpNorm: ['ln2', 'ln1'],
  embedding: ['embed.E'],
  positions: ['pos_embed.pos'],
  finalNorm: ['ln_final'],
  unembedding: ['unembed.U'],
  norm: 'rms',
  transposed: () => true,
  headsApart: true,
  positional: learnedUnless(['pos_embed.W_pos'], ['embed.W_E']),
};
