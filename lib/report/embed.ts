import { setImmediate } from 'node:timers/promises';
import { angle } from '../similarity/series/angle.js';
import type { Matrix } from '../similarity/terms/types.js';
import { oneLine } from '../words/quoting.js';
import type { Series } from './change_axis.js';
import { type ColourScale, heatmapPng } from './colour.js';
import { type EmbeddedMatrix, type EmbeddedSeries, LARGEST_CELL, MANY, UNDEFINED_CELL } from './page_data.js';

/** Pixels a side of a heatmap image; larger matrices are averaged down to it. */
const IMAGE_LIMIT = 1024;
/** The same of a preview, which tiles are drawn over. */
const PREVIEW_LIMIT = 256;
/** Cells of all heatmaps of a page that are embedded as they are; more are packed. */
const MOST_EXACT = 65_536;
/** Rows packed before other work gets its turn. */
const ROWS_PER_TURN = 64;

/** A matrix that a page shows. */
export interface Slice {
  readonly name: string;
  readonly cosine: Matrix;
}

/** The largest error of a similarity of a page: 0 where cells are embedded as they are. */
export function packingError(slices: readonly Slice[], scale: ColourScale, symmetric = true): number {
  return isExact(slices, symmetric) ? 0 : spanOf(scale) / LARGEST_CELL / 2;
}

/** Matrices as the script of their page reads them. */
export function embeddedMatrices(
  slices: readonly Slice[],
  scale: ColourScale,
  symmetric = true,
): Promise<EmbeddedMatrix[]> {
  const exact = isExact(slices, symmetric);
  return Promise.all(
    slices.map(async ({ name, cosine }): Promise<EmbeddedMatrix> => {
      const parts: Uint8Array[] = [];
      for (const [i, row] of cosine.entries()) {
        const cells = symmetric ? row.subarray(i) : row;
        parts.push(exact ? doubles(cells) : angles(cells, spanOf(scale)));
        if (i % ROWS_PER_TURN === ROWS_PER_TURN - 1) await setImmediate();
      }
      const image = isMany(cosine) ? undefined : await previewPng(cosine, scale);
      return {
        name: oneLine(name),
        packing: exact ? 'float64' : 'angle16',
        span: spanOf(scale),
        cells: Buffer.concat(parts).toString('base64'),
        ...(image && { image: `data:image/png;base64,${image.toString('base64')}` }),
      };
    }),
  );
}

/** The colours of a scale for the script of a page. */
export function embeddedPalette({ palette }: ColourScale): string {
  return Buffer.from(palette.flat()).toString('base64');
}

/** The image of a heatmap in a page. */
export function previewPng(cosine: Matrix, scale: ColourScale): Promise<Buffer> {
  return heatmapPng(cosine, scale, isMany(cosine) ? PREVIEW_LIMIT : IMAGE_LIMIT);
}

export function seriesData({ name, similarities }: Series): EmbeddedSeries {
  const values = Array.from(similarities, (value) => (Number.isNaN(value) ? null : Number(value.toPrecision(12))));
  return { name, similarities: values };
}

const isMany = (cosine: Matrix) => Math.max(cosine.length, cosine[0]?.length ?? 0) > MANY;

const spanOf = ({ least }: ColourScale) => Math.max(angle(least), 1e-6);

function isExact(slices: readonly Slice[], symmetric: boolean): boolean {
  const [{ cosine }] = slices;
  const count = cosine.length;
  const cells = symmetric ? (count * (count + 1)) / 2 : count * (cosine[0]?.length ?? 0);
  return cells * slices.length <= MOST_EXACT;
}

function doubles(cells: Float64Array): Uint8Array {
  const bytes = Buffer.alloc(8 * cells.length);
  for (const [i, similarity] of cells.entries()) bytes.writeDoubleLE(similarity, 8 * i);
  return bytes;
}

function angles(cells: Float64Array, span: number): Uint8Array {
  const bytes = Buffer.alloc(2 * cells.length);
  for (const [i, similarity] of cells.entries()) {
    const cell = Number.isNaN(similarity) ? UNDEFINED_CELL : Math.round((angle(similarity) / span) * LARGEST_CELL);
    bytes.writeUInt16LE(cell, 2 * i);
  }
  return bytes;
}
