import type { BlockMatrixValues, BlocksMatrix, LayerMatrices } from '../../blocks/matrix_terms.js';
import { SAME } from '../../blocks/worst.js';
import { similarityText } from '../../words/numbers.js';
import { oneLine } from '../../words/quoting.js';
import { csvLine } from '../csv_line.js';
import { abbreviateAll } from '../labels.js';
import { SCHEMAS } from '../schemas.js';
import { bold, columns, type TextOptions } from '../text.js';
import { backendsText } from './backends.js';

/** The parts of a layer that have a matrix. */
const PARTS = [
  ['mlp', 'MLP', ({ mlp }: LayerMatrices) => mlp?.similarity],
  ['qk', 'QK', ({ attention }: LayerMatrices) => attention?.qk],
  ['ov', 'OV', ({ attention }: LayerMatrices) => attention?.ov],
] as const;
/** Networks of which all means fit beside each other. */
const MOST_SHOWN = 12;
const LONGEST_LABEL = 24;

/** Blocks of several transformers as plain data, the contract `tensim.blocks-matrix/1`. */
export function blocksMatrixJson(result: BlocksMatrix): Record<string, unknown> {
  return { schema: SCHEMAS.blocksMatrix, ...result };
}

/** One row for each part of a layer and network: `layer,part,network,<labels>`. Undefined is empty. */
export function* blocksMatrixCsv({ networks, layers }: BlocksMatrix): Generator<string> {
  const labels = networks.map(({ label }) => label);
  yield csvLine(['layer', 'part', 'network', ...labels]);
  for (const layer of layers)
    for (const [part, , of] of PARTS)
      for (const [i, row] of of(layer)?.entries() ?? [])
        yield csvLine([layer.layer, part, labels[i], ...row.map((value) => value ?? Number.NaN)]);
}

interface Lowest {
  readonly value: number;
  readonly pair: readonly [number, number];
}

/** What `tensim blocks --matrix` prints: of every layer which two networks differ most, then the means over layers. */
export function blocksMatrixText(result: BlocksMatrix, { colour = false }: TextOptions = {}): string {
  const { networks, layers, window, alignment } = result;
  const labels = abbreviateAll(
    networks.map(({ label }) => oneLine(label)),
    LONGEST_LABEL,
  );
  const numbered = networks.map(({ layout }, i) => [String(i), labels[i], layout]);
  const head = ['layer', ...PARTS.flatMap(([, name]) => [name, 'between'])];
  const rows = layers.map((layer) => [
    String(layer.layer),
    ...PARTS.flatMap(([, , of]) => {
      const least = lowest(of(layer) ?? []);
      if (least === null) return ['–', ''];
      return [text(least.value), least.value > 1 - SAME ? '' : `${least.pair[0]} and ${least.pair[1]}`];
    }),
  ]);
  const means = PARTS.flatMap(([, name, of]) => {
    const found = layers.map(of).filter((values) => values !== undefined);
    if (found.length === 0 || networks.length > MOST_SHOWN) return [];
    const table = networks.map((_, i) => [labels[i], ...networks.map((__, j) => meanAt(found, i, j))]);
    const title = `${name}, mean over layers`;
    return [
      `${title}\n${columns([['', ...networks.map((_, j) => String(j))], ...table], `l${'r'.repeat(networks.length)}`)}`,
    ];
  });
  const sampled = layers.filter(({ mlp }) => mlp?.exact === false).length;
  const about = [
    'blocks one by one, softmax left out: not a similarity of the networks as wholes',
    'input of a block independent and standard normal',
    `scores over ${window} offsets`,
    alignment === 'heads' ? 'heads in the order that answers best' : 'heads in their order',
    ...(sampled === 0 ? [] : [`MLPs of ${sampled} layers sampled`]),
    `backend ${backendsText(result)}`,
  ];
  return [
    bold(`${networks.length} networks, ${layers.length} layers: the lowest similarity of two, layer by layer`, colour),
    columns(numbered, 'rll'),
    columns([head, ...rows], 'rrlrlrl'),
    ...means,
    `${about.join(' · ')}\n`,
  ].join('\n\n');
}

function lowest(values: BlockMatrixValues): Lowest | null {
  let least: Lowest | null = null;
  for (const [i, row] of values.entries())
    for (const [j, value] of row.entries())
      if (j > i && value !== null && (least === null || value < least.value)) least = { value, pair: [i, j] };
  return least;
}

function meanAt(values: readonly BlockMatrixValues[], i: number, j: number): string {
  const known = values.map((matrix) => matrix[i][j]).filter((value) => value !== null);
  return known.length === 0 ? '–' : text(known.reduce((sum, value) => sum + value, 0) / known.length);
}

/** Closer to 1 than rounding is told as 1. */
const text = (value: number): string => similarityText(Math.abs(1 - value) < SAME ? 1 : value, 6);
