import { convolutionWindows } from '../../layers/convolution.js';
import type { ConvolutionLayer } from '../../model/model.js';
import { rowMajor, transpose } from '../../tensor/matrix.js';
import { multiply } from '../gemm/gemm.js';
import { patches } from '../model/image.js';
import type { FallbackLayer } from './kind.js';

/** Kernels times windows, group by group: (out, in · kernel) · (in · kernel, windows). */
export const convolution: FallbackLayer = {
  async forward(layer: ConvolutionLayer, x, _, pacer) {
    const { weight, bias, groups } = layer;
    const windows = convolutionWindows(layer);
    const [out, perGroup] = weight.shape;
    const [rows, area] = [out / groups, windows.output[0] * windows.output[1]];
    const depth = perGroup * windows.kernel[0] * windows.kernel[1];
    const kernels = Float64Array.from(weight.data);
    const width = out * area;
    const data = new Float64Array(x.count * width);
    for (let row = 0; row < x.count; row++) {
      for (let group = 0; group < groups; group++) {
        const channels = { first: group * perGroup, count: perGroup };
        const seen = patches(x.data.subarray(row * x.width, (row + 1) * x.width), channels, windows);
        const own = kernels.subarray(group * rows * depth, (group + 1) * rows * depth);
        const product = await multiply(rowMajor(own, rows, depth), transpose(rowMajor(seen, area, depth)), pacer);
        data.set(product, row * width + group * rows * area);
      }
      if (bias !== undefined) {
        for (let o = 0, at = row * width; o < out; o++) for (let p = 0; p < area; p++, at++) data[at] += bias.data[o];
      }
      if (pacer.due(depth * area + width)) await pacer.pause();
    }
    return { data, count: x.count, width };
  },
};
