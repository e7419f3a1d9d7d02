import type { BlockSubject, BlocksResult, LayerComparison, NormName, WeightComparison } from '../../blocks/terms.js';
import { meanOf, SAME } from '../../blocks/worst.js';
import { largest } from '../../extremes.js';
import type { Uncompared } from '../../model/transformers/network.js';
import { INTERVAL } from '../../similarity/sampled/jackknife.js';
import { plural } from '../../words/counts.js';
import { listed, quoted } from '../../words/names.js';
import { errorText } from '../../words/numbers.js';
import { oneLine } from '../../words/quoting.js';
import { extentsOf, extentText } from '../ridge/rows.js';
import { bold, columns, type TextOptions } from '../text.js';
import { backendsText } from './backends.js';
import { cosineText } from './strip.js';
import { ALIGNED, rotationSentence, sentencesOf, unitSentences } from './words.js';

/** What `tensim blocks` prints: where the two differ most, then a line for every layer. */
export function blocksText(result: BlocksResult, { colour = false }: TextOptions = {}): string {
  const { a, b, layers, rotation, window, alignment } = result;
  const rows = layers.map((layer) => [
    String(layer.layer),
    cosine(layer.mlp?.similarity),
    layer.mlp === undefined ? '–' : errorOf(layer.mlp.fidelityError),
    cosine(meanOf(layer.attention?.heads.map(({ qk }) => qk) ?? [])),
    cosine(layer.attention?.ov?.similarity),
    movedText(layer),
    layer.weights.equal ? 'equal' : cosine(layer.weights.cosine),
  ]);
  const ends = [
    ['embedding', result.embedding],
    ['unembedding', result.unembedding],
    ['its bias', result.unembeddingBias],
    ['positions', result.positions],
  ] as const;
  const facts = ends.flatMap(([name, weights]) => (weights === undefined ? [] : [[name, weightsText(weights)]]));
  const norms = normsText(result);
  if (norms !== undefined) facts.push(['norms', norms]);
  const mixtures = expertRows(layers);
  const about = [
    `blocks one by one, softmax left out: not a similarity of the networks as wholes`,
    inputText(result),
    `scores over ${window} offsets`,
    ALIGNED[alignment],
    ...sampledText(layers),
    `backend ${backendsText(result)}`,
  ];
  return [
    `${oneLine(a.path)} (${a.layout}) and ${oneLine(b.path)} (${b.layout})`,
    bold(sentencesOf(result).join(' '), colour),
    columns([['layer', 'MLP', 'fidelity error', 'QK', 'OV', 'heads', 'weights'], ...rows], 'rrrrrrr'),
    ...(mixtures.length === 0 ? [] : [columns([EXPERTS, ...mixtures], 'rrrrrr')]),
    ...(facts.length === 0 ? [] : [columns(facts, 'll')]),
    ...uncomparedText(layers),
    ...[rotation].flatMap((found) => (found === undefined ? [] : [rotationSentence(found)])),
    ...unitSentences(layers),
    ...[a, b].flatMap(leftText),
    `${about.join(' · ')}\n`,
  ].join('\n\n');
}

const weightsText = ({ equal, cosine: own }: WeightComparison): string => (equal ? 'equal' : `cosine ${cosine(own)}`);

/** The norm that differs most. */
function normsText({ layers, norms: ends = [] }: BlocksResult): string | undefined {
  const all = [
    ...ends.map((norm) => ({ norm, where: '' })),
    ...layers.flatMap(({ layer, norms = [] }) => norms.map((norm) => ({ norm, where: ` of layer ${layer}` }))),
  ].flatMap(({ norm: { norm, gain, bias }, where }) =>
    [gain, bias].flatMap((weights) => (weights === undefined ? [] : [{ weights, name: `${NORMS[norm]}${where}` }])),
  );
  if (all.length === 0) return undefined;
  const others = all.filter(({ weights }) => !weights.equal);
  if (others.length === 0) return 'equal';
  const rank = ({ weights }: (typeof all)[number]) => weights.nmse ?? Number.POSITIVE_INFINITY;
  const most = others.reduce((worst, one) => (rank(one) > rank(worst) ? one : worst));
  return `cosine ${cosine(most.weights.cosine)} where they differ most, ${most.name}`;
}

const NORMS: Readonly<Record<NormName, string>> = {
  attention: 'before attention',
  mlp: 'before the MLP',
  behindAttention: 'behind attention',
  behindMlp: 'behind the MLP',
  query: 'of queries',
  key: 'of keys',
  embedding: 'behind the embedding',
  final: 'behind the last layer',
};

const EXPERTS = ['layer', 'experts', 'lowest', 'mean', 'router', 'order'];

/** A line for every layer with experts. */
function expertRows(layers: readonly LayerComparison[]): string[][] {
  return layers.flatMap(({ layer, experts }) => {
    if (experts === undefined) return [];
    const found = experts.experts.flatMap(({ mlp }) => (mlp === undefined ? [] : [mlp.similarity]));
    const moved = experts.experts.filter(({ expert, answeredBy }) => expert !== answeredBy).length;
    return [
      [
        ...[String(layer), String(experts.experts.length), cosine(found.length === 0 ? null : least(found))],
        ...[cosine(meanOf(found)), cosine(experts.router?.similarity)],
        moved === 0 ? 'in order' : `${moved} moved`,
      ],
    ];
  });
}

const least = (values: readonly number[]): number => values.reduce((low, value) => Math.min(low, value));

const PLURAL: Readonly<Record<Uncompared['part'], string>> = {
  attention: 'attention',
  mlp: 'the MLP',
  experts: 'experts',
};

/** Every reason once, with the layers that it is of. */
function uncomparedText(layers: readonly LayerComparison[]): string[] {
  const found = new Map<string, number[]>();
  for (const { layer, uncompared = [] } of layers)
    for (const { part, reason } of uncompared) {
      const text = `${PLURAL[part]} ${reason}`;
      found.set(text, [...(found.get(text) ?? []), layer]);
    }
  return [...found].map(([text, of]) => `in ${of.length === 1 ? `layer ${of[0]}` : `${of.length} layers`}, ${text}`);
}

/** How far MLPs are from what they are under N(0, I), and whether series were too long for some. */
function sphereText(layers: BlocksResult['layers']): string {
  const mlps = layers.flatMap(({ mlp }) => (mlp?.sphere ? [{ own: mlp.similarity, ...mlp.sphere }] : []));
  if (mlps.length === 0) return '';
  const most = mlps.reduce((largest, { own, standard }) => Math.max(largest, Math.abs(own - standard)), 0);
  const estimated = mlps.filter(({ method }) => method === 'first-order').length;
  const how = estimated === 0 ? '' : `, ${estimated} of ${mlps.length} to the first order in 1/d only`;
  return ` (MLPs at most ${errorText(most)} from their similarity under a standard normal one${how})`;
}

/** Which law the numbers stand under, and where it is another one. */
function inputText(result: BlocksResult): string {
  const { input, layers } = result;
  if (input === 'standard') return 'input of a block independent and standard normal';
  if (input === 'sphere') return `input of a block uniform on a sphere, as behind a norm${sphereText(layers)}`;
  const without = (part: 'mlp' | 'attention') => {
    const numbers = layers.flatMap(({ layer, [part]: own }) => (own && own.input !== input ? [String(layer)] : []));
    return numbers.length === 0 ? [] : [`${part === 'mlp' ? 'MLPs' : 'attention'} of ${listed(numbers, 'and')}`];
  };
  const elsewhere = [...without('mlp'), ...without('attention')];
  const rest = elsewhere.length === 0 ? '' : `, but standard normal in ${listed(elsewhere, 'and')}, which it lacks`;
  const extents = extentsOf(result);
  const reached = extents.length === 0 ? '' : ` (directions reached: ${extentText(extents)})`;
  return `input of a block with the moments of ${oneLine(input)}${reached}${rest}`;
}

const cosine = (value: number | null | undefined) => cosineText(value, 6);
const errorOf = (value: number): string => (value < SAME ? '0' : errorText(value));

function leftText({ path, left }: BlockSubject): string[] {
  if (left.length === 0) return [];
  return [`not compared of ${oneLine(path)}: ${quoted(left)}`];
}

/** That MLPs were not compared exactly, and how well they are known. */
function sampledText(layers: readonly LayerComparison[]): string[] {
  const sampled = layers.flatMap(({ mlp }) => (mlp?.exact === false ? [mlp.standardError ?? 0] : []));
  if (sampled.length === 0) return [];
  const most = errorText(INTERVAL * largest(sampled));
  return [`MLPs of ${sampled.length} ${plural(sampled.length, 'layer')} sampled, similarities ± ${most} at most`];
}

/** How many heads are answered by others than their own. */
function movedText({ attention }: LayerComparison): string {
  if (attention === undefined) return '–';
  const moved = attention.heads.filter(({ head, answeredBy }) => head !== answeredBy).length;
  return moved === 0 ? 'in order' : `${moved} moved`;
}
