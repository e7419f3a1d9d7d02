import { TensimError } from '../../errors.js';
import type { AttentionOf, BilinearOf } from '../../layers/layer.js';
import type { Place } from '../../layers/place.js';
import type { Tensors } from '../blueprint.js';
import type { ModelSettings } from '../settings.js';
import { additive, countLayers, type Family, matchNames } from './family.js';
import { linearNorm } from './linear_norm.js';

const BLOCK = /^blocks\.(0|[1-9]\d*)\./;
const READ = ['q1', 'k1', 'q2', 'k2', 'v'] as const;
const FINAL = 'final_norm.scale';

/**
 * A token model of blocks x ← x + attention(n(x)), x ← x + block(n(x)), with quadratic attention of one head and a
 * bilinear block. Tensors `embed.weight` (V, d), whose rows are the tokens, `blocks.{i}.attn.{q1,k1,q2,k2,v}_proj.weight`
 * (d_head, d), `blocks.{i}.attn.o_proj.weight` (d, d_head), `blocks.{i}.mlp.{w_m,w_n}.weight` (h, d),
 * `blocks.{i}.mlp.w_proj.weight` (d, h), `unembed.weight` (V, d). Patterns are divided by d_head. n multiplies by
 * `blocks.{i}.{norm_attn,norm_mlp}.scale` and before the unembedding by `final_norm.scale`, one number or one for each
 * feature, where these are there, and is folded into the weights behind it. What n is says the setting `norm` (or
 * `norm_type`): an RMS norm leaves no tensors. Settings `n_ctx` (or `seq_len`), `n_head` (1), `rotary_base` (or
 * `rope_base`).
 */
export const bilinearVpd: Family = {
  name: 'bilinear_vpd',
  looksFor:
    'embed.weight, blocks.{i}.attn.{q1,k1,q2,k2,v,o}_proj.weight, blocks.{i}.mlp.{w_m,w_n,w_proj}.weight, unembed.weight',
  match(tensors) {
    const blocks = Array.from({ length: countLayers(tensors, BLOCK) }, (_, index) => `blocks.${index}`);
    const weights = blocks.flatMap((block) => [
      ...[...READ, 'o'].map((part) => `${block}.attn.${part}_proj.weight`),
      ...['w_m', 'w_n', 'w_proj'].map((part) => `${block}.mlp.${part}.weight`),
    ]);
    const scales = scalesOf(blocks);
    const norms = scales.some((scale) => tensors.has(scale)) ? scales : [];
    return matchNames(tensors, ['embed.weight', ...weights, ...norms, 'unembed.weight'], []);
  },
  blueprint(tensors, settings) {
    const blocks = Array.from({ length: countLayers(tensors, BLOCK) }, (_, index) => `blocks.${index}`);
    const hasScales = scaledAsStated(tensors, settings);
    const behind = (scale: string) => (hasScales ? { gain: scale } : {});
    const positions = settings.context('seq_len');
    return {
      family: 'bilinear_vpd',
      positions,
      layers: [
        { type: 'linear', weight: { tensor: 'embed.weight', transposed: true } },
        ...blocks.flatMap((block) => [
          attentionIn(block, tensors, settings, behind(`${block}.norm_attn.scale`)),
          bilinearIn(block, behind(`${block}.norm_mlp.scale`)),
        ]),
        { type: 'linear', weight: { tensor: 'unembed.weight', ...behind(FINAL) } },
      ],
    };
  },
};

const scalesOf = (blocks: readonly string[]): string[] => [
  ...blocks.flatMap((block) => [`${block}.norm_attn.scale`, `${block}.norm_mlp.scale`]),
  FINAL,
];

/** Whether there are factors. @throws TensimError where that is not what is said of the norm. */
function scaledAsStated(tensors: Tensors, settings: ModelSettings): boolean {
  const { kind, stated } = linearNorm(settings);
  const hasScales = tensors.has(FINAL);
  if (hasScales === (kind !== 'none')) return hasScales;
  throw new TensimError(
    'INVALID_FILE',
    `is said to have the norm "${stated}", but there is ${hasScales ? 'a' : 'no'} tensor "${FINAL}"`,
    { file: settings.file, hint: 'Give the config.json of this very network (--config FILE, option config.norm)' },
  );
}

function attentionIn(
  block: string,
  tensors: Tensors,
  settings: ModelSettings,
  gain: Pick<Place, 'gain'>,
): AttentionOf<Place> {
  const heads = settings.heads(1);
  const at = (part: string): Place => ({ tensor: `${block}.attn.${part}_proj.weight`, ...gain });
  const [q1, k1, q2, k2, v] = READ.map(at);
  // Patterns of ours are divided by the square of the width of a head, these by the width.
  const width = (tensors.get(q1.tensor)?.shape[0] ?? 0) / heads;
  return {
    type: 'attention',
    heads,
    q1: width === 1 ? q1 : { ...q1, made: { as: 'matrix', factor: width, power: 1 } },
    ...{ k1, q2, k2, v },
    o: { tensor: `${block}.attn.o_proj.weight` },
    mask: settings.mask('causal'),
    rotaryBase: settings.rotaryBase('rope_base'),
    ...additive(1),
  };
}

function bilinearIn(block: string, gain: Pick<Place, 'gain'>): BilinearOf<Place> {
  const at = (part: string): Place => ({ tensor: `${block}.mlp.${part}.weight` });
  return {
    type: 'bilinear',
    left: { ...at('w_m'), ...gain },
    right: { ...at('w_n'), ...gain },
    down: at('w_proj'),
    ...additive(1),
  };
}
