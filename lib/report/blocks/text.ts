import type { BlockSubject, BlocksResult, LayerComparison, WorstBlock } from '../../blocks/terms.js';
import { meanOf, SAME } from '../../blocks/worst.js';
import { largest } from '../../extremes.js';
import { INTERVAL } from '../../similarity/sampled/jackknife.js';
import { plural } from '../../words/counts.js';
import { quoted } from '../../words/names.js';
import { errorText, similarityText } from '../../words/numbers.js';
import { oneLine } from '../../words/quoting.js';
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
    `input of a block independent and standard normal`,
    `scores over ${window} offsets`,
    alignment === 'heads' ? 'heads in the order that answers best' : 'heads in their order',
    ...sampledText(layers),
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
