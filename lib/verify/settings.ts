import type { BlockFile } from '../blocks/open.js';
import { largest } from '../extremes.js';
import type { BlockNetwork, LayerBlocks, Norm } from '../model/transformers/network.js';
import { type SettingName, spelledSetting } from '../model/transformers/settings.js';
import { amountText } from '../words/numbers.js';
import type { Fault } from './terms.js';

/** Settings that change what a network does and stand in no tensor; compared where both say them. */
const FUNCTIONAL: readonly SettingName[] = [
  ...(['epsilon', 'queryScalar', 'scoreFactor', 'scoreDivisor', 'scoresScaled', 'scoresByLayer', 'scoreCap'] as const),
  ...(['embeddingFactor', 'residualFactor', 'logitDivisor', 'logitCap', 'logitScale', 'clip', 'window'] as const),
  ...(['embeddingScale', 'residualScale', 'bothWays', 'parallel'] as const),
];
/** Of settings that are kept as float32 by some formats. */
const NEAR = 1e-6;

interface Difference {
  readonly what: string;
  readonly reference: string;
  readonly candidate: string;
}

/** Where two networks are told to do other things with their weights; none where they are told the same. */
export function settingFaults(f: BlockFile, g: BlockFile): Fault[] {
  const found = [...toldDifferences(f, g), ...partDifferences(f.network, g.network)];
  return found.map(({ layer, what, reference, candidate }) => ({
    cause: 'setting',
    text: `${what} is ${candidate}, and ${reference} in the reference`,
    tensor: null,
    layer,
    tensors: [],
  }));
}

function toldDifferences(f: BlockFile, g: BlockFile): (Difference & { layer: null })[] {
  return FUNCTIONAL.flatMap((setting) => {
    const [reference, candidate] = [f, g].map(({ settings }) => settings.text(setting));
    if (reference === undefined || candidate === undefined || isSame(reference, candidate)) return [];
    return [{ layer: null, what: spelledSetting(setting), reference, candidate }];
  });
}

function isSame(a: string, b: string): boolean {
  if (a.toLowerCase() === b.toLowerCase()) return true;
  const [x, y] = [Number(a), Number(b)];
  return Math.abs(x - y) <= NEAR * Math.max(Math.abs(x), Math.abs(y));
}

/** What layers are made of; what all layers have is told of the first. */
function partDifferences(one: BlockNetwork, other: BlockNetwork): (Difference & { layer: number | null })[] {
  const told = new Set<string>();
  return one.layers.flatMap((layer, at) => {
    const answer = other.layers[at];
    if (answer === undefined) return [];
    return [...differencesOf(layer, answer)]
      .filter(({ what }) => !told.has(what) && told.add(what).size > 0)
      .map((difference) => ({ ...difference, layer: layer.number }));
  });
}

function* differencesOf(one: LayerBlocks, other: LayerBlocks): Generator<Difference> {
  const [a, b] = [one.attention, other.attention];
  if (a !== undefined && b !== undefined) {
    for (const [what, of] of [
      ['the number of heads', 'heads'],
      ['the number of heads of keys and values', 'groups'],
      ['the width of a head', 'width'],
    ] as const)
      if (a[of] !== b[of]) yield { what, reference: `${a[of]}`, candidate: `${b[of]}` };
    if (a.width === b.width) {
      const [angles, others] = [a, b].map(({ rotation }) => rotation?.angles);
      const words = [angles, others].map((own) => anglesText(own));
      if (!areSame(angles, others)) yield { what: 'the rotary embedding', reference: words[0], candidate: words[1] };
    }
    for (const [what, of] of [
      ['a norm of queries and keys', 'normalised'],
      ['ALiBi', 'slopes'],
    ] as const)
      if (a[of] !== b[of]) yield { what, reference: a[of] ? 'there' : 'none', candidate: b[of] ? 'there' : 'none' };
  }
  const activations = [one, other].map(({ mlp, experts }) => mlp?.activation ?? experts?.experts[0]?.activation);
  if (activations.every((name) => name !== undefined) && activations[0] !== activations[1])
    yield { what: 'the activation', reference: activations[0]!, candidate: activations[1]! };
  for (const norm of ['attentionNorm', 'mlpNorm'] as const)
    if (one[norm]?.kind !== other[norm]?.kind)
      yield {
        what: `the norm before ${norm === 'mlpNorm' ? 'the MLP' : 'attention'}`,
        reference: normText(one[norm]),
        candidate: normText(other[norm]),
      };
}

const normText = (norm: Norm | undefined): string =>
  norm === undefined ? 'none' : norm.kind === 'rms' ? 'an RMS norm' : 'a layer norm';

function areSame(a: Float64Array | undefined, b: Float64Array | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.length === b.length && a.every((angle, p) => Math.abs(angle - b[p]) <= NEAR * Math.abs(angle));
}

/** Its base, as far as its angles are those of one: θ of angles θ^(−2p/n). */
function anglesText(angles: Float64Array | undefined): string {
  if (angles === undefined) return 'none';
  if (angles.length < 2) return `${angles.length} angles`;
  const step = angles[1] / angles[0];
  const base = step ** -angles.length;
  const isPlain = largest(angles.map((angle, p) => Math.abs(angle / (angles[0] * step ** p) - 1))) < 1e-6;
  const times = Math.abs(angles[0] - 1) < NEAR ? '' : `, its angles times ${amountText(angles[0], 4)}`;
  return isPlain ? `that of base ${amountText(base, 6)}${times}` : `one of ${angles.length} angles that are stretched`;
}
