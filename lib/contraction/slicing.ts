import { TensimError } from '../errors.js';
import { bytesText } from '../words/bytes.js';
import { sizeOfLabels } from './network.js';
import { type Chunks, type Estimate, type Execution, estimate } from './schedule.js';

/**
 * The labels to cut, and into parts of what size, so that intermediates, output and workspace together never take more
 * than `limit` bytes.
 *
 * If cutting one label is enough, that one is cut whose cost rises least, into the largest parts that fit. Otherwise
 * the label that buys most memory for its cost is cut into single indices, and so on; at the end the parts are made as
 * large as fits.
 *
 *     'hi,ki,hj,kj->' with h = k = 100 000 and 256 MiB:   h in parts of about 160, each pass makes two 160 × 100 000 tables
 *
 * @throws TensimError `MEMORY_LIMIT` with the numbers if the result alone is larger, or if even single indices do not
 * fit.
 */
export function* chooseSlices(execution: Execution, limit: number): Generator<void, Map<number, number>> {
  const { network, itemBytes } = execution;
  const output = sizeOfLabels(network.output, network.sizes) * itemBytes;
  if (output > limit) {
    throw overLimit(
      limit,
      `the result alone takes ${bytesText(output)}`,
      'Raise memoryLimit, or contract to a smaller result',
    );
  }
  const chunks = new Map<number, number>();
  let current = yield* estimate(execution, chunks);
  while (current.peakBytes > limit) {
    const found = yield* bestCut(execution, chunks, current, limit);
    if (found === undefined) {
      const what = `it takes ${bytesText(current.peakBytes)} at least, the result ${bytesText(output)} of it`;
      throw overLimit(limit, what, 'Raise memoryLimit');
    }
    chunks.set(found.label, found.chunk);
    current = found.after;
  }
  for (const label of [...chunks.keys()]) {
    const others = new Map(chunks);
    others.delete(label);
    if ((yield* estimate(execution, others)).peakBytes <= limit) chunks.delete(label);
    else chunks.set(label, evenChunk(network.sizes[label], yield* largestChunk(execution, chunks, label, limit)));
    yield;
  }
  return chunks;
}

interface Cut {
  readonly label: number;
  readonly chunk: number;
  readonly after: Estimate;
}

function* bestCut(
  execution: Execution,
  chunks: Chunks,
  current: Estimate,
  limit: number,
): Generator<void, Cut | undefined> {
  const { network } = execution;
  let enough: Cut | undefined;
  let towards: (Cut & { readonly score: number }) | undefined;
  for (const label of new Set(network.leaves.flat())) {
    if (chunks.has(label)) continue;
    yield;
    const single = yield* estimate(execution, new Map(chunks).set(label, 1));
    if (single.peakBytes <= limit) {
      const chunk = evenChunk(network.sizes[label], yield* largestChunk(execution, chunks, label, limit));
      const after = yield* estimate(execution, new Map(chunks).set(label, chunk));
      if (enough === undefined || after.cost < enough.after.cost) enough = { label, chunk, after };
      continue;
    }
    const less =
      single.peakBytes < current.peakBytes ||
      (single.peakBytes === current.peakBytes && single.totalBytes < current.totalBytes);
    if (!less) continue;
    const score = Math.log(single.peakBytes) + Math.log(single.cost) + 1e-3 * Math.log(single.totalBytes);
    if (towards === undefined || score < towards.score) towards = { label, chunk: 1, after: single, score };
  }
  return enough ?? towards;
}

/** The largest part of a label with which everything fits, given that single indices do. */
function* largestChunk(execution: Execution, chunks: Chunks, label: number, limit: number): Generator<void, number> {
  let fits = 1;
  let beyond = execution.network.sizes[label];
  while (beyond - fits > 1) {
    const middle = Math.floor((fits + beyond) / 2);
    const { peakBytes } = yield* estimate(execution, new Map(chunks).set(label, middle));
    if (peakBytes <= limit) fits = middle;
    else beyond = middle;
  }
  return fits;
}

/** As many parts as chunks of `chunk` would be, all of about the same size. */
function evenChunk(size: number, chunk: number): number {
  return Math.ceil(size / Math.ceil(size / chunk));
}

function overLimit(limit: number, what: string, hint: string): TensimError {
  return new TensimError('MEMORY_LIMIT', `the contraction does not fit into ${bytesText(limit)}: ${what}`, { hint });
}
