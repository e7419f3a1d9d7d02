import type { LabelLists } from '../../../lib/contraction/parse.js';
import { sizeOf, type Tensor } from '../../../lib/tensor/tensor.js';

/** A contraction as the naive evaluator takes it: every axis with its label, the ellipsis written out. */
export interface Case {
  readonly equation: string | LabelLists;
  /** Labels per axis; those covered by an ellipsis are negative. */
  readonly inputs: number[][];
  readonly output: number[];
  readonly operands: Tensor[];
}

export type Random = () => number;

export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const mixed = Math.imul(state ^ (state >>> 16), 0x45d9f3b);
    return ((mixed ^ (mixed >>> 13)) >>> 0) / 2 ** 32;
  };
}

const integer = (random: Random, low: number, high: number) => low + Math.floor(random() * (high - low + 1));

export function choose<Item>(random: Random, items: readonly Item[]): Item {
  return items[Math.floor(random() * items.length)];
}

function shuffle<Item>(random: Random, items: readonly Item[]): Item[] {
  const result = [...items];
  for (let i = result.length - 1; i > 0; i--) {
    const j = integer(random, 0, i);
    [result[i], result[j]] = [result[j], result[i]];
  }
  return result;
}

/** The naive evaluator visits every index combination: this many at most. */
const MOST_POINTS = 20_000;
const LETTERS = [...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZαβγδλμ'];

/**
 * A random contraction: up to 6 operands of up to 5 labels, with repeated labels, hyperedges, lone labels, scalars,
 * sizes 0 and 1, axes that stretch, ellipses, implicit and permuted outputs, letters and integers, and any strides.
 */
export function randomCase(random: Random): Case {
  for (;;) {
    const made = attempt(random);
    if (made !== undefined) return made;
  }
}

function attempt(random: Random): Case | undefined {
  const labels = integer(random, 1, 8);
  const sizes = Array.from({ length: labels }, () => {
    const dice = random();
    return dice < 0.01 ? 0 : dice < 0.12 ? 1 : integer(random, 2, 6);
  });
  const covered = random() < 0.2 ? integer(random, 0, 2) : 0;
  const coveredSizes = Array.from({ length: covered }, () => integer(random, 1, 3));
  const withEllipsis = covered > 0 || random() < 0.05;

  const inputs: number[][] = [];
  const shapes: number[][] = [];
  const terms: (number | '...')[][] = [];
  const count = integer(random, 1, 6);
  for (let i = 0; i < count; i++) {
    const term: (number | '...')[] = [];
    const rank = integer(random, 0, 5);
    for (let axis = 0; axis < rank; axis++) {
      const label = integer(random, 0, labels - 1);
      if (!term.includes(label) || random() < 0.2) term.push(label);
    }
    const own = withEllipsis && random() < 0.7 ? integer(random, 0, covered) : -1;
    if (own >= 0) term.splice(integer(random, 0, term.length), 0, '...');
    const axes = term.flatMap((label) => (label === '...' ? hidden(covered, own) : [label]));
    const stretched = new Set(axes.filter((label) => random() < (label < 0 ? 0.2 : 0.04)));
    terms.push(term);
    inputs.push(axes);
    shapes.push(axes.map((label) => (stretched.has(label) ? 1 : label < 0 ? coveredSizes[-1 - label] : sizes[label])));
  }
  const widest = Math.max(0, ...inputs.map((axes) => axes.filter((label) => label < 0).length));
  const real = sizesOf(inputs, shapes);
  if ([...real.values()].reduce((points, size) => points * size, 1) > MOST_POINTS) return undefined;

  const names = new Map<number, string | number>();
  const lists = random() < 0.3;
  const integers = shuffle(random, [0, 1, 2, 7, 26, 51, 52, 53, 99, 1000]);
  const letters = shuffle(random, LETTERS);
  for (let label = 0; label < labels; label++) names.set(label, lists ? integers[label] : letters[label]);

  const used = [...new Set(inputs.flat())].filter((label) => label >= 0);
  const implicit = random() < 0.3;
  const order = (label: number) =>
    lists ? (names.get(label) as number) : (names.get(label) as string).codePointAt(0)!;
  const once = used.filter((label) => terms.flat().filter((other) => other === label).length === 1);
  const named = implicit
    ? once.sort((a, b) => order(a) - order(b))
    : shuffle(random, used).slice(0, integer(random, 0, Math.min(5, used.length)));
  const outputTerm: (number | '...')[] = [...named];
  const dots = implicit || withEllipsis;
  if (dots) outputTerm.splice(implicit ? 0 : integer(random, 0, named.length), 0, '...');
  const output = outputTerm.flatMap((label) => (label === '...' ? hidden(covered, widest) : [label]));

  const written = (term: (number | '...')[]) => term.map((label) => (label === '...' ? label : names.get(label)!));
  const blank = () => (random() < 0.1 ? ' ' : '');
  const text = (term: (number | '...')[]) =>
    written(term)
      .map((label) => `${blank()}${label}`)
      .join('');
  const equation = lists
    ? {
        inputs: terms.map((term) => written(term) as (number | '...')[]),
        ...(implicit ? {} : { output: written(outputTerm) as (number | '...')[] }),
      }
    : `${terms.map(text).join(',')}${implicit ? '' : `->${text(outputTerm)}`}`;
  const single = random() < 0.3;
  const operands = shapes.map((shape) => randomTensor(random, shape, single || random() < 0.1));
  return { equation, inputs, output, operands };
}

/** Labels of the last `own` of `covered` ellipsis axes: −1 is the first of all. */
function hidden(covered: number, own: number): number[] {
  return Array.from({ length: Math.max(0, own) }, (_, i) => -1 - (covered - own + i));
}

/** The extent of each label: that of an axis which does not stretch, if there is one. */
export function sizesOf(inputs: readonly number[][], shapes: readonly (readonly number[])[]): Map<number, number> {
  const sizes = new Map<number, number>();
  for (const [i, axes] of inputs.entries()) {
    for (const [axis, label] of axes.entries()) {
      const extent = shapes[i][axis];
      if ((sizes.get(label) ?? 1) === 1) sizes.set(label, extent);
    }
  }
  return sizes;
}

/** Contiguous, or with axes permuted in memory, padded, reversed or repeated by stride 0. */
export function randomTensor(random: Random, shape: readonly number[], single = false): Tensor {
  const make = (length: number) => {
    const data = single ? new Float32Array(length) : new Float64Array(length);
    return data.map(() => random() * 2 - 1);
  };
  if (random() < 0.5) return { data: make(sizeOf(shape)), shape };
  const strides: number[] = shape.map(() => 0);
  let step = random() < 0.2 ? 2 : 1;
  for (const axis of shuffle(random, [...shape.keys()])) {
    if (random() < 0.1) continue;
    strides[axis] = random() < 0.15 ? -step : step;
    step *= Math.max(1, shape[axis]) + (random() < 0.15 ? 1 : 0);
  }
  const reach = strides.reduce((sum, stride, axis) => sum + Math.abs(stride) * Math.max(0, shape[axis] - 1), 0);
  return { data: make(reach + 1 + (random() < 0.2 ? 3 : 0)), shape, strides };
}
