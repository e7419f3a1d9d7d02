import { TensimError } from '../errors.js';
import { byteCount, count } from '../words/counts.js';
import { quote } from '../words/quoting.js';
import type { MemoryBudget } from './budget.js';
import { LISTING_LIMITS, nameProblem, type TensorEntry } from './entry.js';
import type { ByteSource } from './source_file.js';

/** What an entry of a listing costs in memory. */
const ENTRY_COST = 512;
/**
 * All tensors together may be larger than the file by this factor, because some share their elements, and by so many
 * bytes.
 */
const MOST_SHARED = { factor: 2, bytes: 32 * 1024 * 1024 } as const;

/**
 * All compressed tensors together may unfold to so many times their size, and so many bytes: weights shrink to nine
 * tenths, those that are mostly zero to a hundredth.
 */
const MOST_UNFOLDED = { factor: 100, bytes: 32 * 1024 * 1024 } as const;

/**
 * Checks the names of an archive's tensors before they are listed, pausing after each.
 * @throws TensimError `INVALID_FILE` for names that cannot be, and for more of them than are read
 */
export function* checkNames(names: Iterable<string>, file: string, budget: MemoryBudget): Generator<void, void> {
  const refused = (problem: string) =>
    new TensimError('INVALID_FILE', problem, { file, hint: 'Save the weights of the model alone, under plain names' });
  let [tensors, text] = [0, 0];
  for (const name of names) {
    budget.spend(ENTRY_COST);
    const problem = nameProblem(name);
    if (problem !== undefined) throw refused(`the tensor name ${quote(name)} ${problem}`);
    text += Buffer.byteLength(name);
    if (++tensors > LISTING_LIMITS.tensors || text > LISTING_LIMITS.textBytes)
      throw refused(
        `lists more than ${count(LISTING_LIMITS.tensors)} tensors or ${byteCount(LISTING_LIMITS.textBytes)} of names`,
      );
    yield;
  }
}

/**
 * Tensors may share their elements, but not so that reading all of them takes many times the size of the file.
 * @throws TensimError `INVALID_FILE`
 */
export function checkTotal(
  entries: Iterable<TensorEntry>,
  { path: file, size }: Pick<ByteSource, 'path' | 'size'>,
): void {
  let [total, unfolded, stored] = [0, 0, 0];
  for (const { bytes, deflated } of entries) {
    if (deflated === undefined) total += bytes;
    else [unfolded, stored] = [unfolded + deflated.unfolded, stored + deflated.stored];
  }
  if (unfolded > MOST_UNFOLDED.factor * stored + MOST_UNFOLDED.bytes)
    throw new TensimError(
      'INVALID_FILE',
      `its arrays unfold to ${byteCount(unfolded)} from ${byteCount(stored)}, more than ${MOST_UNFOLDED.factor} times as much`,
      { file, hint: 'If it is no trap, write it uncompressed: numpy.savez instead of numpy.savez_compressed' },
    );
  if (total <= MOST_SHARED.factor * size + MOST_SHARED.bytes) return;
  throw new TensimError('INVALID_FILE', `its tensors have ${byteCount(total)} in a file of ${byteCount(size)}`, {
    file,
    hint: 'Too many of them share storages: save a clone() of each',
  });
}
