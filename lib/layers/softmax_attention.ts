import { valueText } from '../words/quoting.js';
import { checkCount, checkEpsilon } from './counts.js';
import type { LayerKind, Parity } from './kind.js';
import type { Place } from './place.js';
import type { LayerReader } from './reader.js';
import {
  checkFactors,
  checkResidual,
  NO_RESIDUAL,
  parseResidual,
  RESIDUAL_DESCRIPTION,
  RESIDUAL_FIELDS,
} from './residual.js';
import { checkScaling, type Frequencies, type RopeScaling, scaledFrequencies, scalingInWords } from './rope_scaling.js';
import { checkBias, matrixShape, type NamedShape, type ShapeOnly, type ShapeReport, shown } from './shapes.js';

/** What of softmax attention are numbers and words, none of which need be given but `heads` and `mask`. */
export interface SoftmaxFields {
  /** Heads of the queries. */
  readonly heads: number;
  /** Heads of keys and values, of which each serves as many of the queries'; null: as many. */
  readonly kvHeads: number | null;
  /** `'causal'`: position s sees t ≤ s only. */
  readonly mask: 'causal' | 'none';
  /** Positions that see each other are less than so many apart; null: all. */
  readonly window: number | null;
  /** What q·k is multiplied by; null: d_head^−½. */
  readonly scale: number | null;
  /** c of c tanh(score / c), which keeps scores in bounds; null: none. */
  readonly softcap: number | null;
  /** Base of the rotary position embedding of q and k; null: none. */
  readonly rotaryBase: number | null;
  /** Features of a head that turn, the first ones; null: all. */
  readonly rotaryDimension: number | null;
  /** Which features turn together: j and j + r/2 of r (`half`), or 2j and 2j + 1. */
  readonly rotaryLayout: 'half' | 'interleaved';
  /** What positions are divided by before they turn anything, or `rope_scaling` as a config.json has it. */
  readonly rotaryScaling: number | RopeScaling;
  /** Slopes of ALiBi fall from 2^−m/heads to 2^−m with this m (8 as published); null: none. */
  readonly alibi: number | null;
  /** ε of the norms of queries and keys. */
  readonly normEpsilon: number;
  /** Added to every weight of these norms: 1 where they are stored around 0. */
  readonly normOffset: number;
}

/** Attention of transformers; formula and shapes as in `SoftmaxAttentionLayer`. */
export interface SoftmaxAttentionOf<T> extends SoftmaxFields {
  /** Tells the kinds of layers apart. */
  readonly type: 'softmax_attention';
  /** Queries, (heads·d_head, in). */
  readonly q: T;
  /** Keys, (kvHeads·d_head, in). */
  readonly k: T;
  /** Values, (kvHeads·d_value, in). */
  readonly v: T;
  /** O, (out, heads·d_value). */
  readonly o: T;
  /** Of q, (heads·d_head); absent: 0. */
  readonly qBias?: T;
  /** Of k, (kvHeads·d_head); absent: 0. */
  readonly kBias?: T;
  /** Of v, (kvHeads·d_value); absent: 0. */
  readonly vBias?: T;
  /** Of o, (out); absent: 0. */
  readonly oBias?: T;
  /** RMS norm of the queries: of every head, (d_head), or of all heads as one, (heads·d_head); absent: none. */
  readonly qNorm?: T;
  /** The same of the keys, (d_head) or (kvHeads·d_head). */
  readonly kNorm?: T;
  /** α, what the residual counts; 0: none. */
  readonly alpha: number;
  /** β, what the block counts. */
  readonly beta: number;
}

export const SOFTMAX_DEFAULTS = {
  ...{ kvHeads: null, window: null, scale: null, softcap: null, alibi: null },
  ...{ rotaryBase: null, rotaryDimension: null, rotaryLayout: 'half', rotaryScaling: 1 },
  ...{ normEpsilon: 1e-6, normOffset: 0 },
} as const;

const PARTS = ['q', 'k', 'v', 'o'] as const;
const BIASES = ['qBias', 'kBias', 'vBias', 'oBias'] as const;
const NORMS = ['qNorm', 'kNorm'] as const;
const FIELDS = ['heads', 'mask', ...(Object.keys(SOFTMAX_DEFAULTS) as (keyof typeof SOFTMAX_DEFAULTS)[])] as const;
const DEFAULTS: Readonly<Record<string, unknown>> = SOFTMAX_DEFAULTS;

export const softmaxAttention: LayerKind = {
  type: 'softmax_attention',
  words: { adjective: 'softmax attention', plural: 'softmax attention', noun: 'softmax attention' },
  parts: { required: PARTS, optional: [...BIASES, ...NORMS], fields: [...FIELDS, ...RESIDUAL_FIELDS] },
  defaults: { ...SOFTMAX_DEFAULTS, ...NO_RESIDUAL },
  degree: null,
  growth: 1,
  mixesPositions: true,
  takesTokens: false,
  methods: {},
  instead: 'the blocks of a transformer are compared exactly, one by one, by "tensim blocks" (similarityOfBlocks)',

  // Scores stay as they are, and values change their sign.
  parity: (layer: SoftmaxAttentionOf<ShapeOnly>): Parity =>
    BIASES.every((bias) => layer[bias] === undefined) ? 'odd' : null,

  widths: ({ q, o }: SoftmaxAttentionOf<ShapeOnly>) => ({ takes: q.shape[1], gives: o.shape[0] }),

  check(layer: SoftmaxAttentionOf<NamedShape>, report: ShapeReport) {
    const { q, k, v, o } = layer;
    checkFactors(layer, report);
    checkFields(layer, report);
    const [rows, takes] = matrixShape(q, report);
    if (rows % layer.heads !== 0)
      report.refuse(q, `has shape ${shown(q)}, whose rows do not divide into ${layer.heads} heads`);
    for (const part of [k, v]) {
      const [partRows, partTakes] = matrixShape(part, report);
      if (partTakes !== takes)
        report.refuse(part, `has shape ${shown(part)}, but "${q.name}" ${shown(q)} takes ${takes} features`);
      if (partRows % kvHeadsOf(layer) !== 0)
        report.refuse(part, `has shape ${shown(part)}, whose rows do not divide into ${kvHeadsOf(layer)} heads`);
    }
    const { size, valueSize } = headSizes(layer);
    if (k.shape[0] !== size * kvHeadsOf(layer))
      report.refuse(k, `has shape ${shown(k)}, but ${kvHeadsOf(layer)} heads of ${size} features are needed`);
    const [out, joined] = matrixShape(o, report);
    if (joined !== layer.heads * valueSize)
      report.refuse(
        o,
        `has shape ${shown(o)} and takes ${joined} features, but the heads give ${layer.heads * valueSize}`,
      );
    for (const role of PARTS) checkBias(layer[`${role}Bias`], layer[role].shape[0], layer[role], report);
    for (const [norm, all] of [
      [layer.qNorm, rows],
      [layer.kNorm, k.shape[0]],
    ] as const) {
      if (norm === undefined || (norm.shape.length === 1 && [size, all].includes(norm.shape[0]))) continue;
      report.refuse(norm, `has shape ${shown(norm)}, but a norm of every head has [${size}], one of all [${all}]`);
    }
    const turning = layer.rotaryDimension ?? size;
    if (layer.rotaryBase !== null && (turning > size || turning % 2 !== 0))
      report.refuse(q, `${turning} of ${size} features of a head cannot turn in pairs`);
    checkResidual(layer, takes, out, o, report);
    return { takes: q, gives: o };
  },

  inWords(layer: SoftmaxAttentionOf<ShapeOnly>) {
    const { heads, mask, window, rotaryBase, alibi, q, o } = layer;
    const shared = kvHeadsOf(layer) === heads ? '' : ` (${kvHeadsOf(layer)} of keys)`;
    const sight = mask === 'causal' ? 'causal' : 'no mask';
    const near = window === null ? '' : `, window ${window}`;
    const turned = rotaryBase === null ? '' : `, rotary base ${rotaryBase}${scalingInWords(layer.rotaryScaling)}`;
    const size = `${q.shape[1]} → ${heads}${shared} × ${headSizes(layer).size} → ${o.shape[0]}`;
    return `softmax attention ${size}, ${sight}${near}${turned}${alibi === null ? '' : ', ALiBi'}`;
  },

  /**
   * `q`, `k`, `v`, `o`, each with `Bias` appended?, `qNorm`, `kNorm`?, `heads`, `mask` `"causal"` or `"none"`, the other
   * fields of `SoftmaxFields`?, and the residual as `parseResidual` says.
   */
  parse(reader: LayerReader): SoftmaxAttentionOf<Place> {
    const { fields, title, fail } = reader;
    reader.only([...PARTS, ...BIASES, ...NORMS, ...FIELDS, ...RESIDUAL_DESCRIPTION]);
    const weights = PARTS.map((role) => [role, reader.required(role)] as const);
    const values = FIELDS.map((field) => [field, fields[field] ?? DEFAULTS[field]] as const);
    const layer: SoftmaxAttentionOf<Place> = {
      type: 'softmax_attention',
      ...(Object.fromEntries(weights) as Record<(typeof PARTS)[number], Place>),
      ...Object.assign({}, ...[...BIASES, ...NORMS].map((role) => reader.optional(role))),
      ...(Object.fromEntries(values) as unknown as SoftmaxFields),
      ...parseResidual(reader),
    };
    const report = (problem: string) => fail(`${title}: ${problem}`);
    checkFields(layer, { fail: report, refuse: (_, problem) => report(problem) });
    return layer;
  },
};

/** Heads of keys and values. */
export function kvHeadsOf({ heads, kvHeads }: SoftmaxFields): number {
  return kvHeads ?? heads;
}

/** How the pairs of a head turn in a model of so many positions, where that is scaled in parts; else null. */
export function frequenciesOf(layer: SoftmaxAttentionOf<ShapeOnly>, positions: number): Frequencies | null {
  const { rotaryBase, rotaryDimension, rotaryScaling } = layer;
  if (rotaryBase === null || typeof rotaryScaling === 'number') return null;
  const turning = rotaryDimension ?? headSizes(layer).size;
  return scaledFrequencies(rotaryScaling, { base: rotaryBase, turning, positions });
}

/** Features of a head's queries and keys, and of its values. */
export function headSizes(layer: SoftmaxAttentionOf<ShapeOnly>): { readonly size: number; readonly valueSize: number } {
  return { size: layer.q.shape[0] / layer.heads, valueSize: layer.v.shape[0] / kvHeadsOf(layer) };
}

function checkFields(layer: SoftmaxFields, report: ShapeReport): void {
  const { heads, kvHeads, mask, window, rotaryDimension, rotaryLayout, normEpsilon, normOffset } = layer;
  checkCount('heads', heads, report);
  for (const [field, value] of Object.entries({ kvHeads, window, rotaryDimension }))
    if (value !== null) checkCount(field, value, report);
  if (heads % kvHeadsOf(layer) !== 0) report.fail(`${heads} heads do not share ${kvHeads} heads of keys and values`);
  if (mask !== 'causal' && mask !== 'none') report.fail(`mask is ${valueText(mask)}, neither "causal" nor "none"`);
  if (rotaryLayout !== 'half' && rotaryLayout !== 'interleaved')
    report.fail(`rotaryLayout is ${valueText(rotaryLayout)}, neither "half" nor "interleaved"`);
  for (const field of ['softcap', 'rotaryBase', 'alibi'] as const) {
    const value = layer[field];
    if (value !== null && !(Number.isFinite(value) && value > 0))
      report.fail(`${field} is ${valueText(value)}, not a positive number`);
  }
  if (layer.scale !== null && !Number.isFinite(layer.scale))
    report.fail(`scale is ${valueText(layer.scale)}, not a finite number`);
  checkScaling(layer.rotaryScaling, report);
  checkEpsilon(normEpsilon, report);
  if (!Number.isFinite(normOffset)) report.fail(`normOffset is ${valueText(normOffset)}, not a finite number`);
}

/**
 * The slopes of ALiBi: 2^−mi/H of head i from 1 where H is a power of two; else those of the power below, and every other
 * one of the power above.
 */
export function alibiSlopes(heads: number, most: number): Float64Array {
  const below = 2 ** Math.floor(Math.log2(heads));
  return Float64Array.from({ length: heads }, (_, i) =>
    i < below ? 2 ** ((-most * (i + 1)) / below) : 2 ** ((-most * (2 * (i - below) + 1)) / (2 * below)),
  );
}
