import { TensimError } from '../../../errors.js';
import type { BlockSettings } from '../settings.js';
import type { Layout, Positional } from './layout.js';
import type { View } from './view.js';

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
  positional: positionalOf,
};

/** @throws TensimError `INVALID_FILE` for a network without learned positions of which nobody says which it has */
function positionalOf(settings: BlockSettings, outside?: View): Positional {
  const told = settings.text('positional');
  if (told === 'alibi') return told;
  if (told === 'rotary') return { interleaved: settings.truth('interleaved') === true, base: 10_000 };
  if (told !== undefined || outside?.find(['pos_embed.W_pos']) !== undefined) return 'none';
  throw new TensimError('INVALID_FILE', 'has no learned positions, and does not say which others it has', {
    file: settings.file,
    hint: `Put its config.json beside it, or say it: --config '{"positional_embedding_type": "rotary"}', or "alibi", or "none"`,
  });
}
