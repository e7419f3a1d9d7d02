import type { Pacer } from '../cooperate.js';
import { largest } from '../extremes.js';
import { type Finding, isOpen } from './findings.js';
import { precisionOf, readSource, type Slot, type Source, stepOf } from './slots.js';
import type { LayoutChange } from './terms.js';

/** A norm, and the weights that take what it gives. */
export interface NormGroup {
  readonly norm: string;
  readonly gain: Finding | undefined;
  readonly bias: Finding | undefined;
  readonly consumers: readonly { readonly weight: Finding; readonly bias: Finding | undefined }[];
}

/** Which norms stand before which weights; the roles of what takes them. */
const CONSUMERS: readonly (readonly [norm: string, weights: RegExp])[] = [
  ['attentionNorm', /^attention\.(?:query|key|value)$/],
  ['mlpNorm', /^(?:mlp\.(?:gate|up)|experts\.(?:router|(?:experts\.\d+|shared)\.(?:gate|up)))$/],
  ['finalNorm', /^unembedding$/],
];

/** The norms of a layer with what takes them; where one serves both blocks, with all of that. */
export function normGroups(all: readonly Finding[]): NormGroup[] {
  const by = new Map(all.map((finding) => [finding.compared.slot.role, finding]));
  const isShared = by.has('mlp.up') && !by.has('mlpNorm.gain') && by.has('attentionNorm.gain');
  const [[attention, ofAttention], [mlp, ofMlp], [final, ofFinal]] = CONSUMERS;
  const groups: readonly (readonly [string, readonly RegExp[]])[] = [
    [attention, isShared ? [ofAttention, ofMlp] : [ofAttention]],
    [mlp, isShared ? [] : [ofMlp]],
    [final, [ofFinal]],
  ];
  return groups.flatMap(([norm, weights]) => {
    const [gain, bias] = [by.get(`${norm}.gain`), by.get(`${norm}.bias`)];
    if (gain === undefined && bias === undefined) return [];
    const consumers = all
      .filter(({ compared: { slot } }) => weights.some((one) => one.test(slot.role)))
      .map((weight) => ({ weight, bias: by.get(`${weight.compared.slot.role}Bias`) }));
    return [{ norm, gain, bias, consumers }];
  });
}

/** How far apart, relative to their norms, two tensors may be of which one was made of the other and rounded. */
export function roundingOf({ reference, candidate }: Slot): number {
  return largest([reference, candidate].map((one) => (one === undefined ? 0 : precisionOf(one))));
}

/**
 * What is left of a squared difference must be less than this part of it to be explained by what was taken out: a small
 * change of weights of few digits is within their rounding, and is no other way to write the same.
 */
export const EXPLAINED = 1 / 16;

/**
 * Finds out whether the gain of a norm was multiplied into the weights that take it, or was to be and was not. Findings
 * that this explains are changed.
 * @returns the change of layout, where the norm and all that takes it are the same function
 */
export async function checkFolding(
  { norm, gain, bias, consumers }: NormGroup,
  pacer: Pacer,
): Promise<Pick<LayoutChange, 'kind' | 'text'> | undefined> {
  const own = [gain, bias].filter((one) => one !== undefined);
  if (consumers.length === 0 || ![...own, ...consumers.map(({ weight }) => weight)].some(isOpen)) return undefined;
  const gains = await sidesOf(gain, 1, pacer);
  const shifts = await sidesOf(bias, 0, pacer);
  const found: { readonly folded: boolean; readonly twice: boolean }[] = [];
  for (const consumer of consumers) found.push(await foldedErrors(consumer, gains, shifts, pacer));
  const [, candidate] = gains;
  const isFlat = candidate?.every((value) => value === 1) === true;
  const isSame = gain === undefined || !isOpen(gain);
  if (found.every(({ folded }) => folded)) {
    for (const finding of [...own, ...consumers.flatMap(({ weight, bias: shift }) => [weight, shift])])
      if (finding !== undefined && isOpen(finding)) finding.state = 'same-function';
    return { kind: 'norm-folded', text: `the gain of ${norm} is ${isFlat ? '' : 'partly '}in the weights that follow` };
  }
  for (const [at, { weight }] of consumers.entries()) {
    const { folded, twice } = found[at];
    const name = `the gain of ${norm}`;
    if (isSame && twice && isOpen(weight))
      weight.fault = { cause: 'norm-folded-twice', text: `is multiplied by ${name}, which is still there` };
    else if (!isSame && folded && isOpen(weight)) weight.state = 'same-function';
    else if (!isSame && isFlat && !isOpen(weight))
      weight.fault = { cause: 'norm-not-folded', text: `is not multiplied by ${name}, which was set to 1` };
  }
  // The gain is as it was meant to be, and what is wrong is said where it is.
  const isExplained = consumers.some(({ weight }) => weight.fault?.cause === 'norm-not-folded');
  if (isExplained) for (const finding of own) if (isOpen(finding)) finding.state = 'same-function';
  return undefined;
}

type Sides = readonly [reference: Float64Array | undefined, candidate: Float64Array | undefined];

/** Vectors of both sides; what one has not is what is meant then. */
async function sidesOf(finding: Finding | undefined, missing: number, pacer: Pacer, inPairs = false): Promise<Sides> {
  if (finding === undefined) return [undefined, undefined];
  const { reference, candidate } = finding.compared.slot;
  const size = (reference ?? candidate)!.rows;
  const read = async (source: Source | undefined) =>
    source === undefined ? new Float64Array(size).fill(missing) : readSource(source, inPairs);
  if (pacer.due(2 * size)) await pacer.pause();
  return [await read(reference), await read(candidate)];
}

/** Whether weights are the same behind their norms, and whether they are as if the gain counted once more. */
async function foldedErrors(
  { weight, bias }: NormGroup['consumers'][number],
  [g, h]: Sides,
  [s, t]: Sides,
  pacer: Pacer,
): Promise<{ readonly folded: boolean; readonly twice: boolean }> {
  const { slot } = weight.compared;
  const { reference, candidate } = slot;
  const none = { folded: false, twice: false };
  if (reference === undefined || candidate === undefined || weight.compared.both === undefined) return none;
  if (g !== undefined && (g.length !== reference.columns || h!.length !== reference.columns)) return none;
  const { columns } = reference;
  const inPairs = slot.inPairs === true;
  const [b, c] = await sidesOf(bias, 0, pacer, inPairs);
  let [norm, folded, twice, plain, shift, shifts] = [0, 0, 0, 0, 0, 0];
  const step = Math.min(stepOf(reference), stepOf(candidate));
  for (let from = 0; from < reference.rows; from += step) {
    const to = Math.min(reference.rows, from + step);
    const [a, d] = [await readSource(reference, inPairs, from, to), await readSource(candidate, inPairs, from, to)];
    for (let row = from, at = 0; row < to; row++) {
      let [x, y] = [b?.[row] ?? 0, c?.[row] ?? 0];
      for (let j = 0; j < columns; j++, at++) {
        const [own, answer] = [a[at] * (g?.[j] ?? 1), d[at] * (h?.[j] ?? 1)];
        norm += own * own;
        folded += (own - answer) ** 2;
        twice += (own - d[at]) ** 2;
        plain += (a[at] - d[at]) ** 2;
        x += a[at] * (s?.[j] ?? 0);
        y += d[at] * (t?.[j] ?? 0);
      }
      shift += (x - y) ** 2;
      shifts += x * x;
    }
    if (pacer.due(10 * a.length)) await pacer.pause();
  }
  const limit = roundingOf(slot) ** 2;
  const spread = (s?.reduce((sum, value) => sum + value * value, 0) ?? 0) / columns;
  const isShifted = shift > 4 * limit * (shifts + norm * spread);
  const isOne = (error: number) => error <= limit * norm && error <= EXPLAINED * plain;
  return { folded: isOne(folded) && !isShifted, twice: isOne(twice) };
}
