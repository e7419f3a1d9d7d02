import { gauged } from '../../support/transformers.js';
import { asLlama, asMeta, asNeox, type SmallTransformer } from '../../support/whole_transformers.js';
import { folderOf, gptOf, llamaOf, metaOf, neoxOf } from '../folders.js';
import {
  foldedNorms,
  inLayers,
  mixedValues,
  permutedHeads,
  permutedUnits,
  rescaledUnits,
  scaledQueries,
} from '../gauges.js';
import { configOf, neoxConfigOf, PLAIN, trained } from '../models.js';
import { NARROW, rotatedLlama, rotatedNeox } from '../rotation.js';
import type { ExpectedPass, RightPair } from '../scenario.js';

/** Llama, and the same function in other numbers. */
function llama(
  name: string,
  story: string,
  layouts: NonNullable<ExpectedPass['layouts']>,
  change: (network: SmallTransformer, seed: number) => SmallTransformer,
): RightPair {
  return {
    ...{ name, story, logits: 'same', expected: { verdict: 'other-layout', layouts } },
    async make(root, seed) {
      const network = trained(seed);
      return {
        reference: await llamaOf(root, network),
        candidate: await llamaOf(root, change(network, seed), 'candidate'),
      };
    },
  };
}

/** The same function in other numbers. */
export const symmetries: readonly RightPair[] = [
  llama(
    'folded norms',
    'Gains are multiplied into what reads behind them, and are 1 themselves.',
    ['norm-folded'],
    foldedNorms,
  ),
  llama(
    'units in another order',
    'Rows of gate and up and columns of down, after a merge by permutation (git re-basin).',
    ['units-permuted'],
    (network, seed) => inLayers(network, seed, permutedUnits),
  ),
  llama(
    'rescaled units of a gated MLP',
    'Up is scaled and down divided by as much, as SmoothQuant and AWQ do it.',
    ['units-rescaled'],
    (network, seed) => inLayers(network, seed, rescaledUnits),
  ),
  llama(
    'heads in another order',
    'Groups of heads, and the heads in each, as after pruning that sorts them.',
    ['heads-permuted'],
    (network, seed) => inLayers(network, seed, permutedHeads),
  ),
  llama(
    'another basis of values',
    'W_V is multiplied by an invertible matrix and W_O by its inverse, head by head.',
    ['head-basis'],
    (network, seed) => inLayers(network, seed, mixedValues),
  ),
  llama(
    'queries scaled, keys divided',
    'Scores are the same where one gains what the other loses, as when the scale of scores is folded in.',
    ['head-basis'],
    (network, seed) => inLayers(network, seed, scaledQueries),
  ),
  llama(
    'all freedoms at once',
    'Units, heads, planes of the rotary embedding and bases of values.',
    ['units-permuted', 'heads-permuted'],
    (network, seed) => ({ ...network, layers: network.layers.map((one, at) => gauged(one, seed + at)) }),
  ),
  {
    name: 'a rotated residual stream',
    story: 'Norms are folded, and a random orthogonal matrix goes into all that reads and writes, as QuaRot has it.',
    logits: 'same',
    async make(root, seed) {
      const tensors = asLlama(trained(seed, NARROW));
      const turned = rotatedLlama(tensors, seed);
      return {
        reference: await folderOf(root, 'reference', tensors, configOf(NARROW)),
        candidate: await folderOf(root, 'candidate', turned, configOf(NARROW)),
      };
    },
    expected: { verdict: 'other-layout', layouts: ['rotated-stream'] },
  },
  {
    name: 'a rotated residual stream for Meta',
    story: 'The same, and in the layout of the other program.',
    logits: 'same',
    async make(root, seed) {
      const network = trained(seed, NARROW);
      const turned = rotatedLlama(asLlama(network), seed);
      return {
        reference: metaOf(root, asMeta(network)),
        candidate: await folderOf(root, 'candidate', turned, configOf(NARROW)),
      };
    },
    expected: { verdict: 'other-layout', layouts: ['rotated-stream', 'interleaved-pairs'] },
  },
  {
    name: 'a rotated residual stream between layer norms',
    story:
      'SliceGPT of a network whose norms take the mean off: shifts go into biases, and the mean stays where it is.',
    logits: 'same',
    async make(root, seed) {
      const network = trained(seed, PLAIN);
      // Behind the final norm there is no bias that could take its shift.
      const tensors = asNeox({ ...network, shift: network.shift.map(() => 0) });
      return {
        reference: await neoxOf(root, tensors, 'reference'),
        candidate: await neoxOf(root, rotatedNeox(tensors, seed), 'candidate'),
      };
    },
    expected: { verdict: 'other-layout', layouts: ['rotated-stream'] },
  },
  {
    name: 'rescaled units of ReLU',
    story: 'What is before a ReLU is scaled, and what is behind it divided: the function stays.',
    logits: 'same',
    async make(root, seed) {
      const network = trained(seed, PLAIN);
      const relu = { ...neoxConfigOf(), hidden_act: 'relu' };
      return {
        reference: await folderOf(root, 'reference', asNeox(network), relu),
        candidate: await folderOf(root, 'candidate', asNeox(inLayers(network, seed, rescaledUnits)), relu),
      };
    },
    expected: { verdict: 'other-layout', layouts: ['units-rescaled'] },
  },
  {
    name: 'units of an MLP with biases in another order',
    story: 'GPT-2, whose units have biases that move with them.',
    logits: 'same',
    async make(root, seed) {
      const network = trained(seed, PLAIN);
      return {
        reference: await gptOf(root, network, 'reference', true),
        candidate: await gptOf(root, inLayers(network, seed, permutedUnits), 'candidate', true),
      };
    },
    expected: { verdict: 'other-layout', layouts: ['units-permuted'] },
  },
  {
    name: 'heads of a packed matrix in another order',
    story: 'GPT-NeoX, whose heads have their queries, keys and values together, with biases.',
    logits: 'same',
    async make(root, seed) {
      const network = trained(seed, PLAIN);
      return {
        reference: await neoxOf(root, asNeox(network), 'reference'),
        candidate: await neoxOf(root, asNeox(inLayers(network, seed, permutedHeads)), 'candidate'),
      };
    },
    expected: { verdict: 'other-layout', layouts: ['heads-permuted'] },
  },
];
