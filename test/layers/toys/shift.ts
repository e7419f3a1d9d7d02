import { fallbackLayers } from '../../../lib/fallback/layers/table.js';
import type { LayerKind, Parity } from '../../../lib/layers/kind.js';
import type { Place } from '../../../lib/layers/place.js';
import type { LayerReader } from '../../../lib/layers/reader.js';
import { type NamedShape, type ShapeOnly, type ShapeReport, shown } from '../../../lib/layers/shapes.js';
import { layerKinds } from '../../../lib/layers/table.js';
import type { LayerDefinition } from '../../../lib/model/create.js';
import type { Layer } from '../../../lib/model/model.js';
import type { LayerScale } from '../../../lib/similarity/scale/layers/kind.js';
import { scaleLayers } from '../../../lib/similarity/scale/layers/table.js';
import { shifted } from '../../../lib/similarity/scale/rows.js';
import { addLevels } from '../../../lib/tensor/power.js';
import type { Tensor } from '../../../lib/tensor/tensor.js';

/** x ↦ x + b, b of shape (in): an affine kind, exact by every method as the linear layer W = I. */
interface ShiftOf<T> {
  readonly type: 'shift';
  readonly bias: T;
}

const kind: LayerKind = {
  type: 'shift',
  words: { adjective: 'shift', plural: 'shifts', noun: 'a shift' },
  parts: { required: ['bias'], optional: [], fields: [] },
  defaults: {},
  degree: 1,
  mixesPositions: false,
  takesTokens: false,
  methods: {},
  parity: (): Parity => null,
  widths: ({ bias }: ShiftOf<ShapeOnly>) => ({ takes: bias.shape[0], gives: bias.shape[0] }),
  check({ bias }: ShiftOf<NamedShape>, report: ShapeReport) {
    if (bias.shape.length !== 1) report.refuse(bias, `has shape ${shown(bias)}, but a shift has one axis`);
    return { takes: bias, gives: bias };
  },
  inWords: ({ bias }: ShiftOf<ShapeOnly>) => `shift ${bias.shape[0]}`,
  parse(reader: LayerReader): ShiftOf<Place> {
    reader.only(['bias']);
    return { type: 'shift', bias: reader.required('bias') };
  },
  asLinear({ bias }: ShiftOf<Tensor>) {
    const [size] = bias.shape as [number];
    const data = new Float64Array(size * size);
    for (let i = 0; i < size; i++) data[i * (size + 1)] = 1;
    return { type: 'linear', weight: { data, shape: [size, size] }, bias };
  },
};

const scale: LayerScale = {
  levels: async ({ bias }: ShiftOf<Tensor>, input) => ({
    inner: {},
    out: input.map((level, i) => addLevels(level, Math.log2(Math.abs(bias.data[i])))),
  }),
  rescale: async ({ type, bias }: ShiftOf<Tensor>, _, { to }, __, pacer) =>
    ({ type, bias: await shifted(bias, to, null, pacer) }) as unknown as Layer,
  units: () => ({ carried: true, even: false, fixed: false }),
};

layerKinds.register('shift', kind);
fallbackLayers.register('shift', {
  forward: async ({ bias }: ShiftOf<Tensor>, { data, count, width }) => ({
    data: data.map((value, i) => value + bias.data[i % width]),
    count,
    width,
  }),
});
scaleLayers.register('shift', scale);

export function shift(bias: Tensor): LayerDefinition {
  return { type: 'shift', bias } as unknown as LayerDefinition;
}
