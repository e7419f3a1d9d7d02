import { TensimError } from '../../errors.js';
import { count } from '../../words/counts.js';
import { valueText } from '../../words/quoting.js';
import { biasOf, countLayers, type Family, matchNames, placeIf } from './family.js';

const BLOCK = /^transformer\.h\.(0|[1-9]\d*)\.mlp\.[wp]\.weight$/;

/**
 * One bilinear MLP block of a language model, x ↦ P((L x + l) ⊙ (R x + r)) + c: of `transformer.h.{i}.mlp.w.weight`
 * (2h, d), with the rows of L first, and `transformer.h.{i}.mlp.p.weight` (d, h), each with an optional `.bias`. Which
 * i is said by the setting `block`. The whole model is no polynomial: its attention has a softmax, and every block a
 * normalisation before it.
 */
export const languageModel: Family = {
  name: 'language model',
  looksFor: 'transformer.h.{i}.mlp.{w,p}.weight, of which one block is compared',
  match(tensors) {
    const blocks = Array.from({ length: countLayers(tensors, BLOCK) }, (_, index) => weightsOf(index)).flat();
    // Attention, embeddings and normalisations belong to the model, and to no block.
    const others = [...tensors.keys()].filter((name) => name.startsWith('transformer.') || name.startsWith('lm_head.'));
    const { found, missing, extra } = matchNames(tensors, blocks, others);
    return { found: found.filter((name) => BLOCK.test(name)), missing, extra };
  },
  blueprint(tensors, settings) {
    const blocks = countLayers(tensors, BLOCK);
    const block = settings.block();
    if (block === undefined || block >= blocks)
      throw new TensimError(
        'UNSUPPORTED_LAYER',
        `is a language model of ${count(blocks)} blocks${block === undefined ? '' : `, which has no block ${block}`}; as a whole it cannot be ` +
          'compared, because the softmax of its attention and its normalisations are no polynomials',
        {
          file: settings.file,
          hint: `Its bilinear MLP blocks can, one by one: --config '{"block": 0}' to ${blocks - 1}, or the option config.block`,
        },
      );
    const gate = settings.gate();
    if (gate !== undefined)
      throw new TensimError(
        'UNSUPPORTED_LAYER',
        `has MLP blocks with the gate ${valueText(gate)}, which is no polynomial`,
        {
          file: settings.file,
        },
      );
    const [w, p] = weightsOf(block);
    return {
      family: 'language model',
      positions: 1,
      layers: [
        {
          type: 'bilinear',
          left: { tensor: w, half: 'first' },
          right: { tensor: w, half: 'second' },
          down: { tensor: p },
          ...(tensors.has(biasOf(w)) && {
            leftBias: { tensor: biasOf(w), half: 'first' },
            rightBias: { tensor: biasOf(w), half: 'second' },
          }),
          ...placeIf('downBias', biasOf(p), tensors),
          alpha: 0,
          beta: 1,
        },
      ],
    };
  },
};

const weightsOf = (block: number): [w: string, p: string] => [
  `transformer.h.${block}.mlp.w.weight`,
  `transformer.h.${block}.mlp.p.weight`,
];
