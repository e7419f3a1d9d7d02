import { TensimError } from '../../errors.js';
import { bytesIn } from '../../words/bytes.js';
import { count } from '../../words/counts.js';

/** Bytes that a cell of a result takes: an inner product and a similarity. */
const CELL = 16;
/** Results of so few bytes are no matter of how many are free, which takes longer to find out than to compute them. */
const SMALL = 2 ** 20;
/** What the proven error of a product takes beside it. */
export const BOUND_CELL = 4;

/**
 * Refuses a result for which there is no memory, before any of it is claimed.
 * @param slices of every inner product, beside the whole.
 * @param free bytes that this process can have; default: those that it has now.
 * @param beside bytes of a cell beside its products.
 * @throws TensimError `MEMORY_LIMIT` with the numbers.
 */
export function checkRoom(rows: number, columns: number, slices: number, free?: number, beside = 0): void {
  const bytes = (CELL * (1 + slices) + beside) * rows * columns;
  if (free === undefined && bytes <= SMALL) return;
  const most = free ?? process.availableMemory();
  if (bytes <= most) return;
  const each = slices === 0 ? '' : ` with ${count(slices)} outputs each`;
  const [needed, there] = [bytes, most].map((size) => bytesIn('GiB', size));
  throw new TensimError(
    'MEMORY_LIMIT',
    `the result of ${count(rows)} by ${count(columns)} models${each} takes ${needed} GiB, and ${there} GiB are free`,
    {
      hint: `Compare fewer at a time: every n-th (every), some rows or one reference${slices === 0 ? '' : ', or without outputs (perOutput)'}`,
    },
  );
}
