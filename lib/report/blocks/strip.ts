import type { BlocksResult, LayerComparison, WeightComparison } from '../../blocks/terms.js';
import { meanOf, SAME } from '../../blocks/worst.js';
import { similarityText } from '../../words/numbers.js';
import { colourScheme } from '../chart.js';

/** 1 − similarity at the two ends of the colours; what is closer than the lower end has its colour. */
const LOWEST = 1e-9;
/** Colours between the two ends. */
const LEVELS = 37;
/** What is written at the colours. */
export const STRIP_TICKS = [
  { difference: 1e-9, text: '10⁻⁹' },
  { difference: 1e-6, text: '10⁻⁶' },
  { difference: 1e-3, text: '10⁻³' },
  { difference: 1, text: '1' },
] as const;
export const COLUMNS = ['MLP', 'QK', 'OV', 'norms', 'weights'] as const;

/** One field of the strip. */
export interface StripCell {
  readonly text: string;
  /** Which of the colours; null where nothing is known. */
  readonly level: number | null;
  /** The similarity; 1 for equal weights, null where nothing is known. */
  readonly value: number | null;
}

/** A layer, or what stands before and behind all of them. */
export interface StripRow {
  readonly name: string;
  /** One for every column that there is. */
  readonly cells: readonly StripCell[];
  /** Of a layer. */
  readonly layer?: LayerComparison;
}

/** All that a strip shows. */
export interface Strip {
  readonly columns: readonly string[];
  readonly rows: readonly StripRow[];
}

/** What some comparisons have of norms: a gain, a bias or both. */
type Norms = readonly { readonly gain?: WeightComparison; readonly bias?: WeightComparison }[];

/** One row a layer, from the embedding to the unembedding; a column of norms where there are such. */
export function stripOf(result: BlocksResult): Strip {
  const { layers, embedding, unembedding } = result;
  const all = [
    ...(embedding === undefined
      ? []
      : [{ name: 'embedding', cells: [...COLUMNS.slice(1).map(() => NONE), weightCell(embedding)] }]),
    ...layers.map((layer) => ({ name: `layer ${layer.layer}`, cells: cellsOf(layer), layer })),
    ...(unembedding === undefined
      ? []
      : [{ name: 'unembedding', cells: [...COLUMNS.slice(1).map(() => NONE), weightCell(unembedding)] }]),
  ];
  const isThere = COLUMNS.map((_, at) => all.some(({ cells }) => cells[at] !== NONE));
  return {
    columns: COLUMNS.filter((_, at) => isThere[at]),
    rows: all.map((row) => ({ ...row, cells: row.cells.filter((_, at) => isThere[at]) })),
  };
}

const NONE: StripCell = { text: '–', level: null, value: null };

function cellsOf(layer: LayerComparison & { readonly norms?: Norms }): StripCell[] {
  const { mlp, attention, weights, norms } = layer;
  return [
    cellOf(mlp?.similarity),
    cellOf(meanOf(attention?.heads.map(({ qk }) => qk) ?? [])),
    cellOf(attention?.ov?.similarity),
    normCell(norms ?? []),
    weightCell(weights),
  ];
}

/** A similarity; closer to 1 than rounding it is told as 1. */
export function cellOf(value: number | null | undefined): StripCell {
  if (value === null || value === undefined) return NONE;
  return { text: cosineText(value), level: levelOf(value), value };
}

/** Closer to 1 than rounding is told as 1. */
export function cosineText(value: number | null | undefined, digits = 4): string {
  if (value === null || value === undefined) return '–';
  return similarityText(Math.abs(1 - value) < SAME ? 1 : value, digits);
}

function weightCell({ equal, cosine }: WeightComparison): StripCell {
  return equal ? { text: 'equal', level: LEVELS - 1, value: 1 } : cellOf(cosine);
}

/** The norm that differs most. */
function normCell(norms: Norms): StripCell {
  const all = norms.flatMap(({ gain, bias }) => [gain, bias]).filter((one) => one !== undefined);
  if (all.length === 0) return NONE;
  return all.map(weightCell).reduce((worst, cell) => ((cell.level ?? LEVELS) < (worst.level ?? LEVELS) ? cell : worst));
}

/** Where 1 − similarity lies among the colours, on a logarithmic scale: 0 for nothing in common. */
function levelOf(similarity: number): number {
  return levelOfDifference(1 - similarity);
}

export function levelOfDifference(difference: number): number {
  const part = Math.log(Math.min(1, Math.max(LOWEST, difference))) / Math.log(LOWEST);
  return Math.round(Math.abs(part) * (LEVELS - 1));
}

/** Colours that those see apart who see few: from dark, for nothing in common, to bright, for the same. */
export async function stripColours(): Promise<{ readonly fill: string; readonly ink: string }[]> {
  const scheme = await colourScheme('viridis');
  return Array.from({ length: LEVELS }, (_, level) => {
    const fill = scheme(level / (LEVELS - 1));
    return { fill, ink: luminance(fill) > HALF_WAY ? '#10141b' : '#ffffff' };
  });
}

/** Of colours that are brighter dark ink is told apart better than white. */
const HALF_WAY = 0.19;

/** How bright the eye takes a colour `rgb(r, g, b)` for, in 0 … 1. */
function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = (colour.match(/\d+/g) ?? []).map((value) => {
    const part = Number(value) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
