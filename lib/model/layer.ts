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

export type LayerOf<T> = LinearOf<T> | BilinearOf<T>;

/** The parts of each layer, in the order in which they are listed everywhere; `required` ones are never absent. */
export const LAYER_PARTS = {
  linear: { required: ['weight'], optional: ['bias'] },
  bilinear: { required: ['left', 'right'], optional: ['down', 'leftBias', 'rightBias', 'downBias'] },
} as const;

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
  const fixed =
    layer.type === 'linear' ? { type: 'linear' } : { type: 'bilinear', alpha: layer.alpha, beta: layer.beta };
  return { ...fixed, ...parts } as LayerOf<U>;
}
