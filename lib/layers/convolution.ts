import type { Tensor } from '../tensor/tensor.js';
import { checkCount } from './counts.js';
import {
  checkWindows,
  MOST_DENSE,
  optionalPair,
  type Pair,
  sizes,
  type Windowed,
  type Windows,
  windowsOf,
} from './image.js';
import type { LayerKind, Parity } from './kind.js';
import type { LinearOf } from './linear.js';
import type { Place } from './place.js';
import type { LayerReader } from './reader.js';
import { checkBias, type NamedShape, type ShapeOnly, type ShapeReport, shown } from './shapes.js';

/** A convolution as in neural networks, which does not turn the kernel around; shapes as in `ConvolutionLayer`. */
export interface ConvolutionOf<T> extends Windowed {
  /** Tells the kinds of layers apart. */
  readonly type: 'convolution';
  /** (out, in/groups, rows, columns), or (out, in/groups, columns) for sequences. */
  readonly weight: T;
  /** (out); absent: 0. */
  readonly bias?: T;
  readonly stride: Pair;
  /** Steps between the elements of a window. */
  readonly dilation: Pair;
  /** Channels are split into so many groups, each of which sees its own. */
  readonly groups: number;
}

export const CONVOLUTION_DEFAULTS = { height: null, stride: 1, padding: 0, dilation: 1, groups: 1 } as const;

/** An affine map: exact wherever its neighbours are, as long as its matrix is not too large. */
export const convolution: LayerKind = {
  type: 'convolution',
  words: { adjective: 'convolutional', plural: 'convolutions', noun: 'a convolution' },
  parts: {
    required: ['weight'],
    optional: ['bias'],
    fields: ['height', 'width', 'stride', 'padding', 'dilation', 'groups'],
  },
  defaults: { ...CONVOLUTION_DEFAULTS },
  degree: 1,
  mixesPositions: false,
  takesTokens: false,
  methods: {},

  parity: ({ bias }: ConvolutionOf<ShapeOnly>): Parity => (bias === undefined ? 'odd' : null),

  widths(layer: ConvolutionOf<ShapeOnly>) {
    const { input, output } = convolutionWindows(layer);
    const [out, perGroup] = layer.weight.shape;
    return { takes: perGroup * layer.groups * input[0] * input[1], gives: out * output[0] * output[1] };
  },

  check(layer: ConvolutionOf<NamedShape>, report: ShapeReport) {
    const { weight, bias, height, groups, dilation } = layer;
    const axes = height === null ? 3 : 4;
    if (weight.shape.length !== axes) {
      const form = height === null ? '(out, in, columns), as there is no height' : '(out, in, rows, columns)';
      report.refuse(weight, `has shape ${shown(weight)}, but the kernels of a convolution are ${form}`);
    }
    if (weight.shape.includes(0)) report.refuse(weight, `has shape ${shown(weight)} and so no elements`);
    checkCount('groups', groups, report);
    const [out] = weight.shape;
    if (out % groups !== 0) report.refuse(weight, `its ${out} channels do not divide into ${groups} groups`);
    checkWindows(layer, kernelOf(weight), dilation, report);
    checkBias(bias, out, weight, report);
    return { takes: weight, gives: weight };
  },

  inWords(layer: ConvolutionOf<ShapeOnly>) {
    const { input, output, kernel } = convolutionWindows(layer);
    const [out, perGroup] = layer.weight.shape;
    const groups = layer.groups === 1 ? '' : `, ${layer.groups} groups`;
    const images = `${perGroup * layer.groups} × ${sizes(input)} → ${out} × ${sizes(output)}`;
    return `convolution ${images}, kernels ${sizes(kernel)}${groups}`;
  },

  /**
   * `weight` (out, in/groups, rows, columns), or without `height` (out, in/groups, columns), `bias` (out)?, `height`?,
   * `width`, and `stride`, `padding`, `dilation`, each a number or [down, across]?, `groups`?
   */
  parse(reader: LayerReader): ConvolutionOf<Place> {
    reader.only(['weight', 'bias', 'height', 'width', 'stride', 'padding', 'dilation', 'groups']);
    const { height, groups } = reader.fields;
    return {
      type: 'convolution',
      weight: reader.required('weight'),
      ...reader.optional('bias'),
      height: height === undefined ? null : reader.positiveInteger('height'),
      width: reader.positiveInteger('width'),
      stride: optionalPair(reader, 'stride', 1, CONVOLUTION_DEFAULTS.stride),
      padding: optionalPair(reader, 'padding', 0, CONVOLUTION_DEFAULTS.padding),
      dilation: optionalPair(reader, 'dilation', 1, CONVOLUTION_DEFAULTS.dilation),
      groups: groups === undefined ? CONVOLUTION_DEFAULTS.groups : reader.positiveInteger('groups'),
    };
  },

  isAffine(layer: ConvolutionOf<ShapeOnly>) {
    const { takes, gives } = this.widths(layer);
    return takes * gives <= MOST_DENSE;
  },
  asBlock: 'a convolution whose matrix is too large',

  asLinear(layer: ConvolutionOf<Tensor>): LinearOf<Tensor> {
    const { weight, bias, groups } = layer;
    const { input, output, kernel, stride, padding, dilation } = convolutionWindows(layer);
    const { takes, gives } = this.widths(layer);
    const [out, perGroup] = weight.shape;
    const area = output[0] * output[1];
    const data = new Float64Array(gives * takes);
    for (let o = 0, at = 0; o < out; o++) {
      const first = Math.floor((o * groups) / out) * perGroup;
      for (let c = first; c < first + perGroup; c++) {
        for (let i = 0; i < kernel[0]; i++) {
          for (let j = 0; j < kernel[1]; j++, at++) {
            for (let p = 0; p < area; p++) {
              const row = Math.floor(p / output[1]) * stride[0] - padding[0] + i * dilation[0];
              const column = (p % output[1]) * stride[1] - padding[1] + j * dilation[1];
              if (row < 0 || row >= input[0] || column < 0 || column >= input[1]) continue;
              data[(o * area + p) * takes + (c * input[0] + row) * input[1] + column] = weight.data[at];
            }
          }
        }
      }
    }
    const offset = bias && Float64Array.from({ length: gives }, (_, i) => bias.data[Math.floor(i / area)]);
    return {
      type: 'linear',
      weight: { data, shape: [gives, takes] },
      ...(offset && { bias: { data: offset, shape: [gives] } }),
    };
  },
};

/** Where its windows lie. */
export function convolutionWindows(layer: ConvolutionOf<ShapeOnly>): Windows {
  return windowsOf(layer, kernelOf(layer.weight), layer.dilation);
}

function kernelOf({ shape }: ShapeOnly): Pair {
  return shape.length === 4 ? [shape[2], shape[3]] : shape[2];
}
