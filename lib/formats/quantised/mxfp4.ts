import type { TensorEntry } from '../entry.js';
import { levelsIn, scalesIn, valuesOf } from './numbers.js';
import { type Finding, type StoredTensors, wrongShape } from './stored.js';

/** Elements of a block. */
const BLOCK = 32;

/**
 * The experts of gpt-oss: numbers of four bits, the lower half of each byte first, in blocks of 32 with a power of two.
 * The stored tensor has blocks and bytes as its last axes; the weight is (experts, out, in).
 */
export function mxfp4(entry: TensorEntry, stored: StoredTensors): Finding {
  const [, name, sign] = /^(.*)([._])blocks$/.exec(entry.name) ?? [];
  const { shape, dtype } = entry;
  if (name === undefined || dtype !== 'U8' || shape.length < 3 || shape.at(-1) !== BLOCK / 2) return undefined;
  const scales = stored.need(`${name}${sign}scales`, entry);
  const blocks = shape.slice(0, -1);
  if (scales.dtype !== 'U8' || scales.shape.length !== blocks.length || scales.shape.some((n, i) => n !== blocks[i]))
    throw wrongShape(scales, `of ${scales.dtype}, and the blocks are [${shape.join(', ')}]`);
  const perRow = blocks.at(-1)!;
  const values = valuesOf('F4_E2M1');
  return {
    name,
    shape: [...blocks.slice(0, -1), perRow * BLOCK],
    quantised: { format: 'MXFP4', block: [1, BLOCK], levels: levelsIn(values), powers: true, offset: false },
    parts: [
      { entry, byRows: { width: (perRow * BLOCK) / 2 } },
      { entry: scales, byRows: { width: perRow } },
    ],
    *decoder([elements, exponents]) {
      const powers = yield* scalesIn(exponents, 'F8_E8M0');
      return (from, to, into, at) => {
        for (let block = from * perRow, out = at; block < to * perRow; block++) {
          const scale = powers[block - exponents.skipped];
          const first = (block * BLOCK) / 2 - elements.skipped;
          for (let i = first; i < first + BLOCK / 2; i++) {
            const byte = elements.bytes[i];
            into[out++] = values[byte & 15] * scale;
            into[out++] = values[byte >> 4] * scale;
          }
        }
      };
    },
  };
}
