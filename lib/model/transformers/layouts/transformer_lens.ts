import type { Layout } from './layout.js';

/** `attn.Q` is `attn.W_Q`, with the bias `attn.b_Q`. */
const lettered = (letter: string) => (module: string) => module.replace(/[^.]+$/, `${letter}_$&`);

/** Networks of TransformerLens: a matrix for every head, inputs by outputs. */
export const transformerLens: Layout = {
  name: 'transformer_lens',
  layer: /^blocks\.(\d+)\.(.+)$/,
  signs: ['attn.Q', 'mlp.in'],
  naming: {
    weight: lettered('W'),
    bias: lettered('b'),
    gain: (module) => `${module}.w`,
    shift: (module) => `${module}.b`,
  },
  attention: { query: ['attn.Q'], key: ['attn.K'], value: ['attn.V'], output: ['attn.O'] },
  mlp: { gate: ['mlp.gate'], up: ['mlp.in'], down: ['mlp.out'] },
  attentionNorm: ['ln1'],
  mlpNorm: ['ln2'],
  embedding: ['embed.E'],
  finalNorm: ['ln_final'],
  unembedding: ['unembed.U'],
  norm: 'rms',
  transposed: () => true,
  headsApart: true,
  rotary: null,
};
