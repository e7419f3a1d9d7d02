/**
 * A layer whose parts are anything: tensors in a `Model`, shapes while a chain is checked, places in a checkpoint while it is
 * being recognised. The three stages of reading a model share this one form, so that a part is never known by two names.
 */
export type LinearOf<T> = { readonly type: 'linear'; readonly weight: T; readonly bias?: T };

/** x ↦ α x + β (D((L x + l) ⊙ (R x + r)) + c), MATH.md section 1. */
export type BilinearOf<T> = {
  readonly type: 'bilinear';
  readonly left: T;
  readonly right: T;
  readonly down?: T;
  readonly leftBias?: T;
  readonly rightBias?: T;
  readonly downBias?: T;
  readonly alpha: number;
  readonly beta: number;
};

/** Quadratic attention, MATH.md section 1; shapes and the meaning of the numbers as in `AttentionLayer`. */
export type AttentionOf<T> = {
  readonly type: 'attention';
  readonly heads: number;
  readonly q1: T;
  readonly k1: T;
  readonly q2: T;
  readonly k2: T;
  readonly v: T;
  readonly o: T;
  readonly q1Bias?: T;
  readonly k1Bias?: T;
  readonly q2Bias?: T;
  readonly k2Bias?: T;
  readonly vBias?: T;
  readonly oBias?: T;
  readonly mask: 'causal' | 'none';
  readonly rotaryBase: number | null;
  readonly alpha: number;
  readonly beta: number;
};

export type LayerOf<T> = LinearOf<T> | BilinearOf<T> | AttentionOf<T>;

/**
 * The parts of each layer, in the order in which they are listed everywhere, and its fields that are no parts; `required` parts
 * are never absent.
 */
export const LAYER_PARTS = {
  linear: { required: ['weight'], optional: ['bias'], fields: [] },
  bilinear: {
    required: ['left', 'right'],
    optional: ['down', 'leftBias', 'rightBias', 'downBias'],
    fields: ['alpha', 'beta'],
  },
  attention: {
    required: ['q1', 'k1', 'q2', 'k2', 'v', 'o'],
    optional: ['q1Bias', 'k1Bias', 'q2Bias', 'k2Bias', 'vBias', 'oBias'],
    fields: ['heads', 'mask', 'rotaryBase', 'alpha', 'beta'],
  },
} as const;

/** What a layer multiplies the degree of a chain by (MATH.md section 1). */
export const LAYER_DEGREE = { linear: 1, bilinear: 2, attention: 5 } as const;

/** The parts that a layer has, each with its role: `['weight', …]`, `['left', …]`. */
export function partsOf<T>(layer: LayerOf<T>): [role: string, part: T][] {
  const { required, optional } = LAYER_PARTS[layer.type];
  const parts = layer as unknown as Readonly<Record<string, T | undefined>>;
  return [...required, ...optional].flatMap((role): [string, T][] => {
    const part = parts[role];
    return part === undefined ? [] : [[role, part]];
  });
}

/** The same layer with every part replaced. */
export function mapLayer<T, U>(layer: LayerOf<T>, replace: (part: T, role: string) => U): LayerOf<U> {
  const parts = Object.fromEntries(partsOf(layer).map(([role, part]) => [role, replace(part, role)]));
  const values = layer as unknown as Readonly<Record<string, unknown>>;
  const fields = LAYER_PARTS[layer.type].fields.map((field) => [field, values[field]]);
  return { type: layer.type, ...Object.fromEntries(fields), ...parts } as LayerOf<U>;
}
