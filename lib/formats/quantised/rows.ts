import type { Pacer } from '../../cooperate.js';
import type { ElementRange, StoredReader } from '../checkpoint.js';
import { inFileOrder, liesAsCounted } from '../entry.js';
import type { QuantisedWeight, StoredBytes, StoredPart } from './weight.js';

/** Elements that are decoded between two looks at the clock, at most but for those of one row. */
const AT_ONCE = 1 << 15;

/** How the parts of a weight are read. */
interface Reading {
  readonly read: StoredReader;
  readonly signal: AbortSignal | undefined;
  /** The files, in the order in which they are best read. */
  readonly order: readonly string[];
}

/**
 * Decodes the elements `from` … `to` − 1 of a weight, row-major; of its parts no more is read than the rows need that
 * they are in, where these lie together.
 * @throws TensimError as the reader and the weight's decoder
 */
export async function readElements(
  { parts, shape, decoder }: QuantisedWeight,
  { from, to }: ElementRange,
  { read, signal, order }: Reading,
  into: Float32Array,
  pacer: Pacer,
): Promise<void> {
  if (to <= from) return;
  const columns = shape.at(-1)!;
  const [first, end] = [Math.floor(from / columns), Math.ceil(to / columns)];
  const stored = new Map<StoredPart, StoredBytes>();
  for (const entry of inFileOrder(
    parts.map((part) => part.entry),
    order,
  )) {
    const part = parts.find((one) => one.entry === entry)!;
    const range = rangeOf(part, first, end);
    stored.set(part, { entry, bytes: await read(entry.name, range, { signal }), skipped: range?.from ?? 0 });
  }
  const decode = await pacer.run(decoder(parts.map((part) => stored.get(part)!)));
  const step = Math.max(1, Math.floor(AT_ONCE / columns));
  for (let row = first; row < end; ) {
    const next = Math.min(end, row + step);
    const at = row * columns - from;
    if (at >= 0 && next * columns <= to) {
      decode(row, next, into, at);
    } else {
      // A row of which only a part is wanted.
      const rows = new Float32Array((next - row) * columns);
      decode(row, next, rows, 0);
      into.set(rows.subarray(Math.max(0, -at), to - row * columns), Math.max(0, at));
    }
    if (pacer.due((next - row) * columns)) await pacer.pause();
    row = next;
  }
}

/** What of a part rows need; undefined for all of it. */
function rangeOf({ entry, byRows }: StoredPart, from: number, to: number): ElementRange | undefined {
  if (byRows === undefined || !liesAsCounted(entry)) return undefined;
  const { width, rows = 1 } = byRows;
  return { from: Math.floor(from / rows) * width, to: Math.ceil(to / rows) * width };
}
