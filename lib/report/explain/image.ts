import { TensimError } from '../../errors.js';
import { encodePng, type Rgb } from '../png.js';
import { type ImageShape, pictureSize } from './inputs.js';

/**
 * Reads `8x8` or, with channels, `3x32x32`.
 * @throws TensimError `INVALID_ARGUMENT` for what is no such shape, or one of another size than the inputs.
 */
export function imageShape(text: string, inputs: number): ImageShape {
  const sizes = /^(?:(\d{1,6})x)?(\d{1,6})x(\d{1,6})$/i.exec(text);
  if (sizes === null) {
    throw new TensimError('INVALID_ARGUMENT', `${JSON.stringify(text)} is not the shape of an image`, {
      hint: 'Write HEIGHTxWIDTH or CHANNELSxHEIGHTxWIDTH, such as 28x28 or 3x32x32',
    });
  }
  const [channels, height, width] = sizes.slice(1).map((size) => (size === undefined ? 1 : Number(size)));
  if (channels * height * width !== inputs) {
    throw new TensimError(
      'INVALID_ARGUMENT',
      `an image of ${text} has ${channels * height * width} pixels, the models ${inputs} inputs`,
    );
  }
  return { channels, height, width };
}

/**
 * A vector over the inputs as a picture.
 * @param position where an entry lies on the palette, from 0 to 1.
 */
export function picturePng(
  vector: Float64Array,
  shape: ImageShape,
  palette: readonly Rgb[],
  position: (entry: number) => number,
): Promise<Buffer> {
  const size = pictureSize(shape);
  const pixels = new Uint8Array(size.width * size.height).fill(palette.length);
  for (const [index, entry] of vector.entries()) {
    const channel = Math.floor(index / (shape.width * shape.height));
    const [row, column] = [Math.floor(index / shape.width) % shape.height, index % shape.width];
    pixels[row * size.width + channel * (shape.width + 1) + column] = Math.round(
      position(entry) * (palette.length - 1),
    );
  }
  return encodePng(pixels, size.width, size.height, palette);
}
