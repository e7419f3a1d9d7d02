/** How inputs are laid out as a picture, row-major, channel after channel. */
export interface ImageShape {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

/**
 * What an input is called: its number, or in an image "(row, column)", after its channel if there are several; all from
 * 0.
 */
export function inputName(index: number, shape: ImageShape | null): string {
  if (shape === null) return `${index}`;
  const { channels, height, width } = shape;
  const place = [Math.floor(index / width) % height, index % width];
  return `(${(channels > 1 ? [Math.floor(index / (width * height)), ...place] : place).join(', ')})`;
}

/**
 * The numbers of the entries that together hold `part` of the squares of a vector of length 1, the largest first; at
 * most `most`.
 */
export function strongest(vector: Float64Array, most: number, part = 1): number[] {
  const order = [...vector.keys()].sort((i, j) => Math.abs(vector[j]) - Math.abs(vector[i]) || i - j);
  const chosen: number[] = [];
  let held = 0;
  for (const index of order.slice(0, most)) {
    if (held >= part || vector[index] === 0) break;
    held += vector[index] ** 2;
    chosen.push(index);
  }
  return chosen;
}

/** Size of the picture that `picturePng` makes: the channels side by side, a clear column between them. */
export function pictureSize({ channels, height, width }: ImageShape): { width: number; height: number } {
  return { width: channels * (width + 1) - 1, height };
}
