import type { BlockSubject, BlocksResult, LayerComparison, WorstBlock } from '../../blocks/terms.js';
import { meanOf, SAME } from '../../blocks/worst.js';
import { listed, quoted } from '../../words/names.js';
import { errorText, similarityText } from '../../words/numbers.js';
import { oneLine } from '../../words/quoting.js';
import { extentsOf, extentText } from '../ridge/rows.js';
import { bold, columns, type TextOptions } from '../text.js';

const PARTS: Readonly<Record<WorstBlock['part'], string>> = {
  mlp: 'in its MLP',
  qk: 'in which positions its heads attend to',
  ov: 'in what its heads write',
};

/** What `tensim blocks` prints: where the two differ most, then a line for every layer. */
export function blocksText(result: BlocksResult, { colour = false }: TextOptions = {}): string {
  const { a, b, layers, worst, window, alignment, backend } = result;
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
  ] as const;
  const facts = ends.flatMap(([name, weights]) =>
    weights === undefined ? [] : [[name, weights.equal ? 'equal' : `cosine ${cosine(weights.cosine)}`]],
  );
  const about = [
    `blocks one by one, softmax left out: not a similarity of the networks as wholes`,
    inputText(result),
    `scores over ${window} offsets`,
    alignment === 'heads' ? 'heads in the order that answers best' : 'heads in their order',
    `backend ${backend}`,
  ];
  return [
    `${oneLine(a.path)} (${a.layout}) and ${oneLine(b.path)} (${b.layout})`,
    bold(sentence(worst), colour),
    columns([['layer', 'MLP', 'fidelity error', 'QK', 'OV', 'heads', 'weights'], ...rows], 'rrrrrrr'),
    ...(facts.length === 0 ? [] : [columns(facts, 'll')]),
    ...[a, b].flatMap(leftText),
    `${about.join(' · ')}\n`,
  ].join('\n\n');
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

/** Closer to 1 than rounding is told as 1. */
function cosine(value: number | null | undefined): string {
  if (value === null || value === undefined) return '–';
  return similarityText(Math.abs(1 - value) < SAME ? 1 : value, 6);
}

const errorOf = (value: number): string => (value < SAME ? '0' : errorText(value));

function leftText({ path, left }: BlockSubject): string[] {
  if (left.length === 0) return [];
  return [`not compared of ${oneLine(path)}: ${quoted(left)}`];
}

function sentence(worst: WorstBlock | null): string {
  if (worst === null) return 'All blocks are the same functions.';
  const { layer, part, similarity } = worst;
  return `They differ most in layer ${layer}, ${PARTS[part]}: similarity ${similarityText(similarity, 4)}.`;
}

/** How many heads are answered by others than their own. */
function movedText({ attention }: LayerComparison): string {
  if (attention === undefined) return '–';
  const moved = attention.heads.filter(({ head, answeredBy }) => head !== answeredBy).length;
  return moved === 0 ? 'in order' : `${moved} moved`;
}
