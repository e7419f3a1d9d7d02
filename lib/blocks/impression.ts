import type { BlocksResult, Impression, LayerComparison, WeightComparison } from './terms.js';
import { meanOf, SAME } from './worst.js';

/** What an impression is formed from. */
export type Impressed = Pick<
  BlocksResult,
  'a' | 'b' | 'alignment' | 'rotation' | 'layers' | 'embedding' | 'unembedding'
>;

/** Blocks closer than this are one function in other weights, stored in numbers of 32 bits or more. */
const ONE_FUNCTION = 1e-9;
/** A layer of a patch differs by so many times what half of the layers do, and by more than this. */
const OUTSTANDING = 100;
/** Of all layers a patch has at most this part. */
const FEW = 0.25;
/** The largest difference of a fine-tune, and by how much its layers differ among each other. */
const LITTLE = 0.3;
const SMOOTH = 30;
/** Half of the blocks of networks that have nothing in common are less alike than this. */
const NOTHING_ALIKE = 0.5;
/** Cosine of weights, likewise: numbers of other seeds are at right angles. */
const NO_WEIGHTS_ALIKE = 0.1;
/**
 * ‖w − r(w)‖² / ‖w‖² of normal numbers rounded to significands of so many bits is 4^−bits times about this, whatever
 * their scale; numbers that were trained are within a factor of 1.6 of it in every layer.
 */
const ROUNDING = 0.18;
const ROUNDING_SPREAD = 1.6;
const PRECISIONS = [
  { name: 'bfloat16', bits: 8 },
  { name: 'float16', bits: 11 },
] as const;

/**
 * What the differences of two networks look like, by rules on their sizes, the first that holds:
 *
 * 1. all numbers are equal: `same`, or `conversion` between layouts;
 * 2. all blocks are one function to 1e-9, in other weights: `conversion`;
 * 3. all layers and embeddings differ by what rounding to 16 bits leaves: `conversion`;
 * 4. at most a quarter of the layers, or one, differ while the others are equal, or less than a hundredth as much:
 *    `patch`;
 * 5. half of the blocks are less alike than 0.5, and half of the weights than 0.1: `unrelated`;
 * 6. all layers differ by at most 0.3, none by more than 30 times what half of them do: `fine-tune`;
 * 7. `unclear`.
 *
 * How much a layer differs is the largest 1 − similarity of its MLP, of its scores and of what its heads write.
 */
export function impressionOf(found: Impressed): Impression {
  const { a, b, layers, embedding, unembedding } = found;
  const ends = [embedding, unembedding].filter((end) => end !== undefined);
  const weights = [...layers.map((layer) => layer.weights), ...ends];
  if (layers.length === 0) return impression('unclear', 'There are no blocks to compare.');
  const differences = layers.map(differenceOf);
  const largest = differences.reduce((most, value) => Math.max(most, value), 0);
  if (weights.every(({ equal }) => equal) && largest <= SAME)
    return a.layout === b.layout
      ? impression('same', 'All weights that were compared are equal.')
      : impression(
          'conversion',
          `It looks like a conversion: the same numbers as ${a.layout} and as ${b.layout} name them.`,
        );
  const areEndsAlike = ends.every(({ nmse }) => nmse === null || nmse <= ONE_FUNCTION);
  if (largest <= ONE_FUNCTION && areEndsAlike)
    return impression('conversion', `It looks like a conversion: the same functions in other weights${how(found)}.`);
  const precision = PRECISIONS.find(({ bits }) => weights.every((one) => isRounded(one, bits)));
  if (precision !== undefined)
    return impression(
      'conversion',
      `It looks like a conversion: all differs by what rounding to ${precision.name} leaves.`,
    );
  return patchOf(layers, differences, ends) ?? wholeOf(found, differences, largest);
}

/** Where few layers differ from the others, or only the embeddings do. */
function patchOf(
  layers: readonly LayerComparison[],
  differences: readonly number[],
  ends: readonly WeightComparison[],
): Impression | undefined {
  const usual = median(differences);
  if (usual <= ONE_FUNCTION && differences.every((value) => value <= ONE_FUNCTION))
    return ends.every(({ equal }) => equal)
      ? undefined
      : impression('patch', 'It looks like a patch: only the embeddings changed, all blocks are the same functions.');
  const most = Math.max(1, Math.floor(layers.length * FEW));
  const isOutstanding = (value: number) => value > Math.max(OUTSTANDING * usual, ONE_FUNCTION);
  const changed = layers.filter((_, i) => isOutstanding(differences[i])).map(({ layer }) => layer);
  if (changed.length === 0 || changed.length > most || changed.length === layers.length) return undefined;
  const others = usual <= ONE_FUNCTION ? 'the others are the same functions' : 'the others differ far less';
  const listed = `${changed.slice(0, -1).join(', ')} and ${changed[changed.length - 1]}`;
  const names = changed.length === 1 ? `layer ${changed[0]}` : `layers ${listed}`;
  return { ...impression('patch', `It looks like a patch: ${names} changed, ${others}.`), layers: changed };
}

/** Where no layer stands out. */
function wholeOf(
  { alignment, rotation, layers }: Impressed,
  differences: readonly number[],
  largest: number,
): Impression {
  const usual = median(differences);
  const alike = median(layers.map((layer) => Math.abs(layer.weights.cosine ?? 0)));
  if (usual > 1 - NOTHING_ALIKE && alike < NO_WEIGHTS_ALIKE)
    return impression(
      'unrelated',
      alignment === 'rotation' && rotation !== undefined
        ? 'It looks like another seed: nothing is alike, with heads, units and the stream aligned.'
        : 'It looks like another seed: nothing is alike, unless the two write the stream in other bases (--align rotation).',
    );
  if (largest <= LITTLE && largest <= SMOOTH * usual)
    return impression(
      'fine-tune',
      'It looks like a fine-tune or a quantisation: all layers differ a little, none much more than the others.',
    );
  return impression(
    'unclear',
    'The differences look like neither a fine-tune, a patch, a conversion nor another seed.',
  );
}

/** The largest 1 − similarity of the parts of a layer; parts that are nothing in both differ by nothing. */
export function differenceOf({ mlp, attention }: LayerComparison): number {
  const parts = [mlp?.similarity, attention?.ov?.similarity, meanOf(attention?.heads.map(({ qk }) => qk) ?? [])];
  return parts.reduce((most: number, value) => Math.max(most, 1 - (value ?? 1)), 0);
}

function isRounded({ nmse, equal }: WeightComparison, bits: number): boolean {
  if (nmse === null || equal) return false;
  const ratio = nmse / (ROUNDING * 4 ** -bits);
  return ratio < ROUNDING_SPREAD && ratio > 1 / ROUNDING_SPREAD;
}

/** By what the two became alike. */
function how({ alignment, rotation, a, b }: Impressed): string {
  const layouts = a.layout === b.layout ? '' : `, as ${a.layout} and as ${b.layout} name them`;
  if (rotation?.identity === false) return ` and another basis of the stream${layouts}`;
  return alignment === 'none'
    ? layouts
    : `, with ${alignment === 'heads' ? 'heads' : 'heads and units'} aligned${layouts}`;
}

function impression(kind: Impression['kind'], words: string): Impression {
  return { kind, words, layers: [] };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)];
}
