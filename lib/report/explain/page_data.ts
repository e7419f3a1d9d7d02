import type { ImageShape } from './inputs.js';

/** What the page of an explanation embeds for its script. */
export interface PicturesData {
  readonly image: ImageShape | null;
  /** Bars below each other, where inputs are no picture. */
  readonly bars: number;
  readonly charts: readonly EmbeddedPictures[];
}

/** The pictures of a chart in their order. */
export interface EmbeddedPictures {
  readonly titles: readonly string[];
  /** Entries of one after the other, float32, little-endian, in base64: about seven digits. */
  readonly entries: string;
}
