import type { Windows } from '../../layers/image.js';

/**
 * What the windows of an image see of some of its channels, (windows, channels · kernel): zeros where they reach beyond
 * it.
 */
export function patches(
  image: Float64Array,
  { first, count }: { readonly first: number; readonly count: number },
  { input, output, kernel, stride, padding, dilation }: Windows,
): Float64Array {
  const result = new Float64Array(output[0] * output[1] * count * kernel[0] * kernel[1]);
  let at = 0;
  for (let y = 0; y < output[0]; y++) {
    for (let x = 0; x < output[1]; x++) {
      for (let c = first; c < first + count; c++) {
        for (let i = 0; i < kernel[0]; i++) {
          const row = y * stride[0] - padding[0] + i * dilation[0];
          const inside = row >= 0 && row < input[0];
          for (let j = 0; j < kernel[1]; j++, at++) {
            const column = x * stride[1] - padding[1] + j * dilation[1];
            if (inside && column >= 0 && column < input[1])
              result[at] = image[(c * input[0] + row) * input[1] + column];
          }
        }
      }
    }
  }
  return result;
}
