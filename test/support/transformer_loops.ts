import { TOKENS } from './transformers.js';
import type { SmallTransformer } from './whole_transformers.js';

/* What small transformers give for tokens, by the loops that their papers say. */

type Rows = number[][];

/** What a network of these numbers does with them. */
export interface Program {
  readonly norm: 'rms' | 'layer' | 'none';
  readonly epsilon: number;
  /** Where norms stand; `once`: the first of a layer before both of its blocks. Default: before each. */
  readonly norms?: 'before' | 'around' | 'behind' | 'once';
  /** What is added to gains. Default 0. */
  readonly offset?: number;
  /** Shifts of layer norms, of attention, and of the MLP; of one of these alone, `mlp` with those of the norms. */
  readonly biases?: boolean | 'attention' | 'mlp';
  /** A norm behind the embedding. */
  readonly embeddingNorm?: boolean;
  /** What scores lose from one position to the next, by head. */
  readonly slopes?: readonly number[];
  readonly activation: (u: number) => number;
  readonly gated?: boolean;
  readonly learned?: boolean;
  /** Features of a head that turn, the base, and what positions are divided by. */
  readonly rotary?: readonly [turning: number, base: number, factor?: number];
  readonly parallel?: boolean;
  readonly innerNorms?: 'head' | 'all';
  readonly embeddingFactor?: number;
  readonly scale?: number;
  readonly softcap?: number;
  readonly window?: (layer: number) => number;
  readonly tied?: boolean;
  readonly lastBias?: boolean;
}

const times = (matrix: Float64Array, x: readonly number[], bias?: Float64Array): number[] =>
  Array.from({ length: matrix.length / x.length }, (_, i) =>
    x.reduce((sum, one, j) => sum + matrix[i * x.length + j] * one, bias?.[i] ?? 0),
  );
const sum = (...all: readonly Rows[]): Rows =>
  all[0].map((row, s) => row.map((_, i) => all.reduce((t, x) => t + x[s][i], 0)));
const mean = (x: readonly number[]): number => x.reduce((a, b) => a + b, 0) / x.length;

/** What a norm gives before its gain. */
export function normalised(x: readonly number[], kind: 'rms' | 'layer', epsilon: number): number[] {
  const middle = kind === 'layer' ? mean(x) : 0;
  const root = Math.sqrt(mean(x.map((one) => (one - middle) ** 2)) + epsilon);
  return x.map((one) => (one - middle) / root);
}

/**
 * The logits of every position.
 * @param note is given what each block takes, before the gain of its norm
 */
export function logitsOf(
  network: SmallTransformer,
  program: Program,
  tokens: readonly number[],
  note: (block: string, x: readonly number[]) => void = () => undefined,
): Rows {
  const { layers, embedding, unembedding, positions, behind, inner, innerWhole } = network;
  const { norm, epsilon, norms = 'before', offset = 0, biases = false, rotary, innerNorms, learned } = program;
  const [{ d, heads, groups, width }] = layers;
  const [all, some] = [biases === true, biases === true || biases === 'mlp'];
  const gained = (x: readonly number[], gain: Float64Array, shift?: Float64Array): number[] =>
    x.map((one, i) => one * (gain[i] + offset) + (shift?.[i] ?? 0));
  const isBefore = norm !== 'none' && norms !== 'behind';
  const before = (x: Rows, block: string, gain: Float64Array, shift: Float64Array): Rows =>
    x.map((row) => {
      const plain = isBefore ? normalised(row, norm, epsilon) : row;
      note(block, plain);
      return isBefore ? gained(plain, gain, some ? shift : undefined) : row;
    });
  const after = (x: Rows, gain: Float64Array): Rows =>
    norm !== 'none' && (norms === 'around' || norms === 'behind')
      ? x.map((row) => gained(normalised(row, norm, epsilon), gain))
      : x;

  const turn = (head: readonly number[], s: number): number[] => {
    const turned = [...head];
    if (rotary === undefined) return turned;
    const half = rotary[0] / 2;
    for (let p = 0; p < half; p++) {
      const angle = (s / (rotary[2] ?? 1)) * rotary[1] ** (-p / half);
      const [a, b] = [head[p], head[p + half]];
      turned[p] = a * Math.cos(angle) - b * Math.sin(angle);
      turned[p + half] = a * Math.sin(angle) + b * Math.cos(angle);
    }
    return turned;
  };
  const headsOf = (x: readonly number[], s: number, count: number, gain?: Float64Array): Rows => {
    const whole = innerNorms === 'all' && gain ? gained(normalised(x, 'rms', epsilon), gain) : x;
    return Array.from({ length: count }, (_, h) => {
      const head = whole.slice(h * width, (h + 1) * width);
      return turn(innerNorms === 'head' && gain ? gained(normalised(head, 'rms', epsilon), gain) : head, s);
    });
  };
  const attention = (x: Rows, number: number): Rows => {
    const one = layers[number];
    const has = all || biases === 'attention';
    const gains = innerNorms === 'head' ? inner[number] : innerWhole[number];
    const map = (matrix: Float64Array, bias: Float64Array) =>
      x.map((row) => times(matrix, row, has ? bias : undefined));
    const given = innerNorms === undefined ? [] : gains;
    const queries = map(one.query, one.queryBias).map((row, s) => headsOf(row, s, heads, given[0]));
    const keys = map(one.key, one.keyBias).map((row, s) => headsOf(row, s, groups, given[1]));
    const values = map(one.value, one.valueBias);
    return queries.map((own, s) => {
      const joinedHeads = own.flatMap((query, h) => {
        const group = Math.floor((h * groups) / heads);
        const seen = keys.map((_, t) => t).filter((t) => t <= s && s - t < (program.window?.(number) ?? Infinity));
        const scores = seen.map((t) => {
          const score =
            query.reduce((total, q, i) => total + q * keys[t][group][i], 0) * (program.scale ?? width ** -0.5);
          const capped = program.softcap === undefined ? score : program.softcap * Math.tanh(score / program.softcap);
          return capped - (program.slopes?.[h] ?? 0) * (s - t);
        });
        const most = Math.max(...scores);
        const weights = scores.map((score) => Math.exp(score - most));
        const total = weights.reduce((a, b) => a + b, 0);
        return Array.from({ length: width }, (_, i) =>
          seen.reduce((out, t, at) => out + (weights[at] / total) * values[t][group * width + i], 0),
        );
      });
      return times(one.output, joinedHeads, all ? one.outputBias : undefined);
    });
  };
  const mlp = (x: Rows, number: number): Rows => {
    const one = layers[number];
    return x.map((row) => {
      const up = times(one.up, row, some ? one.upBias : undefined);
      const gate = program.gated ? times(one.gate, row).map(program.activation) : undefined;
      const units = gate ? up.map((u, i) => u * gate[i]) : up.map(program.activation);
      return times(one.down, units, some ? one.downBias : undefined);
    });
  };

  let x: Rows = tokens.map((token, s) =>
    Array.from(
      { length: d },
      (_, i) => embedding[token * d + i] * (program.embeddingFactor ?? 1) + (learned ? positions[s * d + i] : 0),
    ),
  );
  if (program.embeddingNorm && norm !== 'none')
    x = x.map((row) => gained(normalised(row, norm, epsilon), behind[0][0], behind[0][1]));
  for (const [number, { gains, shifts }] of layers.entries()) {
    const second = norms === 'once' ? 0 : 1;
    const first = after(attention(before(x, `attn.${number}`, gains[0], shifts[0]), number), behind[number][0]);
    const stream = program.parallel ? x : sum(x, first);
    const block = after(mlp(before(stream, `mlp.${number}`, gains[second], shifts[second]), number), behind[number][1]);
    x = program.parallel ? sum(x, first, block) : sum(stream, block);
  }
  const last = program.tied ? embedding : unembedding;
  return x.map((row) => {
    const stream =
      norm === 'none' ? row : gained(normalised(row, norm, epsilon), network.gain, some ? network.shift : undefined);
    return times(last.subarray(0, TOKENS * d), stream, program.lastBias ? network.unembeddingBias : undefined);
  });
}
