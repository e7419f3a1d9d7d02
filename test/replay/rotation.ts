import { orthogonal, rotated } from '../support/rotations.js';
import type { Given } from '../support/transformers.js';
import { PLAIN, SHARED, type Sizes } from './models.js';

/** With more tokens than the stream is wide, so that the embedding alone tells how it was turned. */
export const NARROW: Sizes = { ...SHARED, d: 32, units: 48 };

/** Which tensors of Llama write to the residual stream, and which read from it behind which gain. */
function roleInLlama(name: string) {
  const layer = /^model\.layers\.\d+\./.exec(name)?.[0];
  if (name === 'model.embed_tokens.weight') return { role: 'tokens' as const };
  if (name === 'lm_head.weight') return { role: 'reads' as const, gain: 'model.norm.weight' };
  if (name.endsWith('norm.weight')) return { role: 'gain' as const };
  if (/o_proj|down_proj/.test(name)) return { role: 'writes' as const };
  const norm = name.includes('self_attn') ? 'input_layernorm' : 'post_attention_layernorm';
  return { role: 'reads' as const, gain: `${layer}${norm}.weight` };
}

/** Llama with its norms folded and its residual stream in another basis, as QuaRot has it. */
export const rotatedLlama = (tensors: Given, seed: number): Given =>
  rotated(tensors, orthogonal(NARROW.d, seed), NARROW.d, roleInLlama);

/** The same of GPT-NeoX, whose layer norms take the mean off: the rotation leaves that direction where it is. */
function roleInNeox(name: string) {
  const layer = /^gpt_neox\.layers\.\d+\./.exec(name)?.[0];
  if (name === 'gpt_neox.embed_in.weight') return { role: 'tokens' as const };
  if (name === 'embed_out.weight') return { role: 'reads' as const, gain: 'gpt_neox.final_layer_norm.weight' };
  if (/layer_?norm\.weight$/.test(name)) return { role: 'gain' as const };
  if (/layer_?norm\.bias$/.test(name)) return { role: 'vector' as const };
  if (/attention\.dense\.|dense_4h_to_h\./.test(name)) return { role: 'writes' as const };
  if (name.endsWith('.bias')) return undefined;
  const norm = `${layer}${name.includes('attention') ? 'input_layernorm' : 'post_attention_layernorm'}`;
  return {
    role: 'reads' as const,
    gain: `${norm}.weight`,
    shift: `${norm}.bias`,
    bias: name.replace(/weight$/, 'bias'),
  };
}

export const rotatedNeox = (tensors: Given, seed: number): Given =>
  rotated(tensors, orthogonal(PLAIN.d, seed, true), PLAIN.d, roleInNeox);
