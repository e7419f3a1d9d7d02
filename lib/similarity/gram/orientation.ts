import type { Member } from '../members/members.js';
import type { Job } from './schedule.js';

/**
 * The place of every model in an order that follows from what the models hold: of two, the one before the other is the
 * row of their product, wherever they stand in a list. That is what makes the bits of a product a matter of the two
 * models alone, for ⟨a,b⟩ and ⟨b,a⟩ may round differently.
 *
 * Models from files come first, by the digest of the file; models in memory by a sketch of their weights, and by a
 * digest of all of them where that does not tell two apart.
 */
export async function ranks(members: readonly Member[]): Promise<Int32Array> {
  // A little of each tells nearly all apart, and begins as the rest does: the order is that of whole keys.
  const begun = members.map((member) => keyOf(member, 1));
  const isOne = uniqueIn(begun);
  const keys = begun.map((key, i) => (isOne(key) ? key : keyOf(members[i])));
  const isOnly = uniqueIn(keys);
  const whole: string[] = [];
  for (const [i, member] of members.entries())
    whole.push(isOnly(keys[i]) ? keys[i] : keys[i] + (await member.identity()));
  // Equal keys are of equal models, whose order changes nothing.
  const order = [...members.keys()].sort((a, b) => (whole[a] < whole[b] ? -1 : whole[a] > whole[b] ? 1 : a - b));
  const ranks = new Int32Array(members.length);
  for (const [rank, number] of order.entries()) ranks[number] = rank;
  return ranks;
}

/** Whether a text stands only once in a list. */
function uniqueIn(texts: readonly string[]): (text: string) => boolean {
  const occurrences = new Map<string, number>();
  for (const text of texts) occurrences.set(text, (occurrences.get(text) ?? 0) + 1);
  return (text) => occurrences.get(text) === 1;
}

function keyOf(member: Member, tensors?: number): string {
  const digest = member.outline.provenance.sha256;
  return `${digest === undefined ? 1 : 0} ${digest} ${member.known === undefined ? 1 : 0} ${member.sketch(tensors)}`;
}

/**
 * The jobs that compute the pairs of a job with the right one of two as the row, in rectangles as large as they come:
 * with the models of both sides in order, those before a pivot are rows for those after it, and what is left on either
 * side of it is cut again.
 */
export function* oriented(job: Job, rank: Int32Array): Generator<Job> {
  const inOrder = (models: readonly number[]) => models.toSorted((a, b) => rank[a] - rank[b]);
  const rows = inOrder(job.rows);
  if (job.symmetric) yield { rows, columns: rows, symmetric: true };
  else yield* rectangles(rows, inOrder(job.columns), rank);
}

function* rectangles(rows: readonly number[], columns: readonly number[], rank: Int32Array): Generator<Job> {
  if (rows.length === 0 || columns.length === 0) return;
  const isOne = rows.length === 1 && columns.length === 1 && rows[0] === columns[0];
  if (rank[rows.at(-1)!] <= rank[columns[0]]) yield { rows, columns, symmetric: isOne };
  else if (rank[columns.at(-1)!] <= rank[rows[0]]) yield { rows: columns, columns: rows, symmetric: false };
  else {
    const all = [...new Set([...rows, ...columns])].sort((a, b) => rank[a] - rank[b]);
    const pivot = rank[all[all.length >> 1]];
    const [rowsBefore, rowsAfter] = parted(rows, pivot, rank);
    const [columnsBefore, columnsAfter] = parted(columns, pivot, rank);
    yield* rectangles(rowsBefore, columnsAfter, rank);
    yield* rectangles(rowsAfter, columnsBefore, rank);
    yield* rectangles(rowsBefore, columnsBefore, rank);
    yield* rectangles(rowsAfter, columnsAfter, rank);
  }
}

function parted(
  models: readonly number[],
  pivot: number,
  rank: Int32Array,
): [before: readonly number[], after: readonly number[]] {
  const first = models.findIndex((model) => rank[model] >= pivot);
  const cut = first === -1 ? models.length : first;
  return [models.slice(0, cut), models.slice(cut)];
}
