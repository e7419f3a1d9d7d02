import { valueText } from '../words/quoting.js';
import type { LayerKind, Parity } from './kind.js';
import type { Place } from './place.js';
import { type LayerReader, optional } from './reader.js';
import {
  checkFactors,
  checkResidual,
  NO_RESIDUAL,
  parseResidual,
  RESIDUAL_DESCRIPTION,
  RESIDUAL_FIELDS,
} from './residual.js';
import { checkBias, matrixShape, type NamedShape, type ShapeOnly, type ShapeReport, shown } from './shapes.js';

/** Quadratic attention, MATH.md section 1; formula and shapes as in `AttentionLayer`. */
export interface AttentionOf<T> {
  /** Tells the kinds of layers apart. */
  readonly type: 'attention';
  /** How many heads share the rows of q1, k1, q2, k2 and v. */
  readonly heads: number;
  /** Queries of the first pattern, (heads·d_head, in). */
  readonly q1: T;
  /** Keys of the first pattern, (heads·d_head, in). */
  readonly k1: T;
  /** Queries of the second pattern, (heads·d_head, in). */
  readonly q2: T;
  /** Keys of the second pattern, (heads·d_head, in). */
  readonly k2: T;
  /** Values, (heads·d_head, in). */
  readonly v: T;
  /** O, (out, heads·d_head). */
  readonly o: T;
  /** Of q1, (heads·d_head); absent: 0. */
  readonly q1Bias?: T;
  /** Of k1, (heads·d_head); absent: 0. */
  readonly k1Bias?: T;
  /** Of q2, (heads·d_head); absent: 0. */
  readonly q2Bias?: T;
  /** Of k2, (heads·d_head); absent: 0. */
  readonly k2Bias?: T;
  /** Of v, (heads·d_head); absent: 0. */
  readonly vBias?: T;
  /** o, (out); absent: 0. */
  readonly oBias?: T;
  /** `'causal'`: position s sees t ≤ s only. */
  readonly mask: 'causal' | 'none';
  /** Base of the rotary position embedding of q and k, half-split layout; null: none. It needs an even d_head. */
  readonly rotaryBase: number | null;
  /** α, what the residual counts; 0: none. */
  readonly alpha: number;
  /** β, what the block counts. */
  readonly beta: number;
}

const PROJECTIONS = ['q1', 'k1', 'q2', 'k2', 'v'] as const;
const PARTS = [...PROJECTIONS, 'o'] as const;
const BIASES = ['q1Bias', 'k1Bias', 'q2Bias', 'k2Bias', 'vBias', 'oBias'] as const;

export const attention: LayerKind = {
  type: 'attention',
  words: {
    adjective: 'quadratic attention',
    plural: 'quadratic attention',
    noun: 'attention',
  },
  parts: { required: PARTS, optional: BIASES, fields: ['heads', 'mask', 'rotaryBase', ...RESIDUAL_FIELDS] },
  defaults: { ...NO_RESIDUAL },
  degree: 5,
  mixesPositions: true,
  takesTokens: false,
  methods: { closure: 1 },

  parity: (layer: AttentionOf<ShapeOnly>): Parity => (BIASES.every((bias) => layer[bias] === undefined) ? 'odd' : null),

  widths: ({ q1, o }: AttentionOf<ShapeOnly>) => ({ takes: q1.shape[1], gives: o.shape[0] }),

  check(layer: AttentionOf<NamedShape>, report: ShapeReport) {
    const { heads, mask, rotaryBase, q1, o, oBias } = layer;
    checkFactors(layer, report);
    if (!Number.isSafeInteger(heads) || heads < 1)
      report.fail(`heads is ${valueText(heads)}, not a whole number from 1`);
    if (mask !== 'causal' && mask !== 'none') report.fail(`mask is ${valueText(mask)}, neither "causal" nor "none"`);
    if (rotaryBase !== null && !(Number.isFinite(rotaryBase) && rotaryBase > 0))
      report.fail(`rotaryBase is ${valueText(rotaryBase)}, neither a positive number nor null`);
    const [rows, takes] = matrixShape(q1, report);
    if (rows % heads !== 0) report.refuse(q1, `has shape ${shown(q1)}, whose rows do not divide into ${heads} heads`);
    if (rotaryBase !== null && (rows / heads) % 2 !== 0)
      report.refuse(q1, `a head has ${rows / heads} features, but a rotary embedding turns pairs of them`);
    for (const role of PROJECTIONS.slice(1)) {
      const part = layer[role];
      const [partRows, partTakes] = matrixShape(part, report);
      if (partRows !== rows || partTakes !== takes)
        report.refuse(part, `has shape ${shown(part)}, but "${q1.name}" has ${shown(q1)}`);
    }
    for (const role of PROJECTIONS) checkBias(layer[`${role}Bias`], rows, layer[role], report);
    const [out, joined] = matrixShape(o, report);
    if (joined !== rows)
      report.refuse(o, `has shape ${shown(o)} and takes ${joined} features, but the heads give ${rows}`);
    checkBias(oBias, out, o, report);
    checkResidual(layer, takes, out, o, report);
    return { takes: q1, gives: o };
  },

  inWords({ heads, mask, rotaryBase, q1, o }: AttentionOf<ShapeOnly>) {
    const [joined, takes] = q1.shape;
    const size = `${takes} → ${heads} × ${joined / heads} → ${o.shape[0]}`;
    const sight = mask === 'causal' ? 'causal' : 'no mask';
    return `attention ${size}, ${sight}, ${rotaryBase === null ? 'no rotary' : `rotary base ${rotaryBase}`}`;
  },

  /**
   * `q1`, `k1`, `q2`, `k2`, `v` (heads·d_head, in), or `q` and `k` for q1 = q2 and k1 = k2; `o` (out, heads·d_head);
   * any of them with `Bias` appended?; `heads`; `mask` `"causal"` or `"none"`; `rotaryBase`, a number or null; and the
   * residual as `parseResidual` says.
   */
  parse(reader: LayerReader): AttentionOf<Place> {
    const { title, fail } = reader;
    const parts = [...PARTS, 'q', 'k'].flatMap((part) => [part, `${part}Bias`]);
    reader.only([...parts, 'heads', 'mask', 'rotaryBase', ...RESIDUAL_DESCRIPTION]);
    const { mask, rotaryBase } = reader.fields;
    if (mask !== 'causal' && mask !== 'none') return fail(`${title}: "mask" must be "causal" or "none"`);
    if (rotaryBase !== null && !(Number.isFinite(rotaryBase) && (rotaryBase as number) > 0))
      return fail(`${title}: "rotaryBase" must be a positive number, or null for no rotary embedding`);
    const heads = reader.positiveInteger('heads');
    const weights = PARTS.map((role) => [role, either(reader, role) ?? fail(`${title} has no "${role}"`)] as const);
    const biases = PARTS.map((role) => optional(`${role}Bias`, either(reader, role, 'Bias')));
    return {
      type: 'attention',
      heads,
      ...(Object.fromEntries(weights) as Record<(typeof PARTS)[number], Place>),
      ...Object.assign({}, ...biases),
      mask,
      rotaryBase: rotaryBase as number | null,
      ...parseResidual(reader),
    };
  },
};

/** A part under its own name, or q1 and q2 both under "q", k1 and k2 under "k". */
function either(reader: LayerReader, role: string, suffix = ''): Place | undefined {
  const single = role.replace(/[12]$/, '');
  const [own, both] = [reader.place(role + suffix), reader.place(single + suffix)];
  if (single !== role && both !== undefined && own !== undefined)
    return reader.fail(`${reader.title} has "${single + suffix}" as well as "${role + suffix}"`);
  return own ?? both;
}
