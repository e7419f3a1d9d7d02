/** Of all texts in charts, in pixels. */
export const FONT_SIZE = 11.5;

/** An upper estimate of the width of a text at `FONT_SIZE`, in pixels: there is no font to measure with. */
export function textWidth(text: string): number {
  return Math.ceil([...text].length * FONT_SIZE * 0.58);
}
