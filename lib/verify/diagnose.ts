import { Pacer } from '../cooperate.js';
import { transposed } from '../tensor/cut.js';
import { amountText } from '../words/numbers.js';
import { quote } from '../words/quoting.js';
import { Distance } from './distance.js';
import { type Finding, type FoundFault, isOpen, UNITS_MOVED } from './findings.js';
import { fingerprintOf } from './fingerprint.js';
import { roundingOf } from './folding.js';
import { lookUp } from './lookup.js';
import { matchRows, movesRuns, pairsFault } from './orders.js';
import { rankOf } from './rank.js';
import { nameOf, readSource, type Slot, type Source } from './slots.js';
import { type Compared, errorOf } from './tally.js';

/** Elements of a tensor beyond which it is not looked for rows in another order: there is no memory for two of it. */
const MOST_ELEMENTS = 2 ** 27;
/** Elements between two looks at the clock. */
const AT_ONCE = 1 << 16;
/** What rounding in the computation leaves of 1 less a cosine. */
const PARALLEL = 1e-14;
/** Below this cosine nothing is left of what was there. */
const ANOTHER = 0.5;

/** What is wrong with tensors of a layer, as far as the layer tells; what other layers have is looked up behind that. */
export async function diagnoseLayer(
  layer: number | null,
  all: readonly Finding[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const pacer = new Pacer(signal);
  for (const finding of all.filter(isOpen)) {
    const fault = atSight(finding.compared);
    if (fault !== undefined) finding.fault = fault;
  }
  for (const finding of all.filter(isOpen)) {
    const fault = await offsetOf(finding.compared);
    if (fault !== undefined) finding.fault = fault;
  }
  await lookUp([{ layer, all, changes: [] }], pacer);
  for (const roles of [
    /^attention\.(?:query|key|value)$/,
    /^attention\.(?:query|key|value)Bias$/,
    /^mlp\.(?:gate|up)$/,
  ])
    await checkPacking(
      all.filter((one) => roles.test(one.compared.slot.role)),
      pacer,
    );
  const experts = new Set(all.flatMap(({ compared: { slot } }) => /^experts\.experts\.\d+/.exec(slot.role)?.[0] ?? []));
  for (const expert of experts)
    await checkPacking(
      all.filter(({ compared: { slot } }) => [`${expert}.gate`, `${expert}.up`].includes(slot.role)),
      pacer,
    );
  for (const finding of all.filter(mayBeMoved)) {
    const fault = await orderFault(finding.compared, pacer);
    if (fault !== undefined) finding.fault = fault;
  }
}

/** Also a quantised matrix whose error is larger than rows in their order could have. */
const mayBeMoved = (finding: Finding): boolean =>
  isOpen(finding) ||
  (finding.fault?.cause === 'coarse' && (errorOf(finding.compared) ?? 0) > toleranceFor(finding.compared.slot));

/** What is left of them: how far they are from what they should be. */
export async function diagnoseRest(all: readonly Finding[], signal: AbortSignal | undefined): Promise<void> {
  const pacer = new Pacer(signal);
  for (const finding of all.filter(isOpen)) finding.fault = await distanceOf(finding.compared, pacer);
}

function atSight({ slot, reference, candidate, both }: Compared): FoundFault | undefined {
  if (slot.candidate === undefined) {
    if (both === undefined || slot.missing === undefined)
      return { cause: 'missing-tensor', text: 'is not in the candidate' };
    return { cause: 'missing-tensor', text: `is not in the candidate, where ${slot.missing} is taken for it` };
  }
  if (slot.reference === undefined) return { cause: 'extra-tensor', text: 'is not in the reference' };
  if (candidate !== undefined && !candidate.isFinite)
    return { cause: 'not-finite', text: 'has NaN or infinite numbers' };
  if (both === undefined) return { cause: 'wrong-shape', text: shapesOf(slot.reference, slot.candidate) };
  if (candidate!.constant !== null && reference!.constant === null)
    return { cause: 'collapsed', text: `is ${amountText(candidate!.constant)} everywhere` };
  const cosine = both.product / Math.sqrt(reference!.squares * candidate!.squares);
  if (
    reference!.size > 1 &&
    reference!.constant === null &&
    1 - Math.abs(cosine) < PARALLEL + roundingOf(slot) ** 2 / 2
  ) {
    const factor = both.product / reference!.squares;
    if (Math.abs(factor + 1) < roundingOf(slot)) return { cause: 'sign', text: 'has the opposite sign' };
    if (Math.abs(factor - 1) > roundingOf(slot))
      return { cause: 'scaled', text: `is ${factorText(factor, slot.reference)} times what it should be` };
  }
  return undefined;
}

const shapesOf = (one: Source, other: Source): string =>
  `is (${other.rows}, ${other.columns}), and (${one.rows}, ${one.columns}) in the reference`;

/** A factor, and where it comes from if that is easily told. */
function factorText(factor: number, { rows, columns, file, heads }: Source): string {
  const known: [string, number][] = [
    ['√d', Math.sqrt(file.network?.width ?? 0)],
    ['√(width of a head)', Math.sqrt(heads?.width ?? 0)],
    ['rows', rows],
    ['columns', columns],
  ];
  for (const [name, value] of known)
    for (const [text, number] of [
      [name, value],
      [`1/${name}`, 1 / value],
    ] as const)
      if (value > 1 && Math.abs(factor / number - 1) < 1e-5) return `${amountText(factor)} (${text})`;
  return amountText(factor);
}

/** Gains of norms that are 1 more, or less, than they should be. */
async function offsetOf({ slot, both }: Compared): Promise<FoundFault | undefined> {
  const { role, reference, candidate } = slot;
  if (both === undefined || reference === undefined || candidate === undefined || !role.endsWith('.gain'))
    return undefined;
  const [a, b] = [await readSource(reference, false), await readSource(candidate, false)];
  const tolerance = Math.max(roundingOf(slot) * 4, 1e-6);
  for (const offset of [-1, 1])
    if (a.every((value, i) => Math.abs(b[i] - value - offset) <= tolerance * (1 + Math.abs(value))))
      return {
        cause: 'gain-offset',
        text: offset < 0 ? 'is 1 less than it should be' : 'is 1 more than it should be',
      };
  return undefined;
}

/** Parts that were packed in one tensor and taken out in another order. */
async function checkPacking(parts: readonly Finding[], pacer: Pacer): Promise<void> {
  const open = parts.filter(isOpen);
  const sources = parts.flatMap(({ compared: { slot } }) => slot.reference ?? []);
  const [first] = sources;
  if (open.length < 2 || first === undefined || sources.length < parts.length) return;
  const size = sources.reduce((sum, { rows, columns }) => sum + rows * columns, 0);
  if (size > MOST_ELEMENTS || sources.some(({ columns }) => columns !== first.columns)) return;
  const all = new Float64Array(size);
  let at = 0;
  for (const source of sources) {
    const own = await readSource(source, false);
    all.set(own, at);
    at += own.length;
  }
  const names = [...new Set(sources.map((source) => quote(nameOf(source))))];
  const mixed: FoundFault = {
    cause: 'packing',
    text: `has rows of ${names.join(', ')} mixed: they were taken out of one tensor in another order`,
  };
  const faults: FoundFault[] = [];
  for (const { compared } of open) {
    const { candidate } = compared.slot;
    if (candidate === undefined || candidate.columns !== first.columns) return;
    const own = await readSource(candidate, false);
    const order = await matchRows(all, own, first.columns, toleranceFor(compared.slot), pacer);
    if (order === undefined || (await isSelf(compared, own, pacer))) return;
    const whole = wholeAt(order, sources);
    faults.push(whole === undefined ? mixed : { cause: 'swapped', text: `holds what ${quote(nameOf(whole))} is` });
  }
  for (const [at, finding] of open.entries()) finding.fault = faults[at];
}

/** The source whose rows are these, as they are. */
function wholeAt(order: Int32Array, sources: readonly Source[]): Source | undefined {
  let start = 0;
  for (const source of sources) {
    const first = start;
    if (source.rows === order.length && order.every((row, i) => row === first + i)) return source;
    start += source.rows;
  }
  return undefined;
}

/** Whether all rows of a tensor are its own, in whatever order. */
async function isSelf({ slot }: Compared, own: Float64Array, pacer: Pacer): Promise<boolean> {
  const reference = await readSource(slot.reference!, false);
  if (reference.length !== own.length) return false;
  return (await matchRows(reference, own, slot.reference!.columns, toleranceFor(slot), pacer)) !== undefined;
}

const toleranceFor = (slot: Slot): number => Math.max(roundingOf(slot), 1e-6);

/** The same numbers in another order. */
async function orderFault(
  { slot, reference: a, candidate: b, both }: Compared,
  pacer: Pacer,
): Promise<FoundFault | undefined> {
  const { reference, candidate, role, inPairs } = slot;
  if (both === undefined || reference === undefined || candidate === undefined) return undefined;
  const ratio = b!.squares / a!.squares;
  if (Math.abs(ratio - 1) > 4 * toleranceFor(slot) || a!.size > MOST_ELEMENTS) return undefined;
  const [one, other] = [await readSource(reference, false), await readSource(candidate, false)];
  const { rows, columns } = reference;
  const rowOrder = await matchRows(one, other, columns, toleranceFor(slot), pacer);
  const isTurned = reference.heads?.rotation?.interleaved !== candidate.heads?.rotation?.interleaved;
  // Rows that are all near what they were, where they were, are in order.
  if (rowOrder?.every((from, to) => from === to) && !(inPairs && isTurned)) return undefined;
  if (rowOrder !== undefined) return rowFault(slot, rowOrder);
  if (columns > 1) {
    const turned = await transposed(other, rows, columns, pacer);
    if (rows === columns && (await isClose(one, turned, toleranceFor(slot), pacer)))
      return { cause: 'transposed', text: 'is transposed' };
    const order = await matchRows(await transposed(one, rows, columns, pacer), turned, rows, toleranceFor(slot), pacer);
    if (order !== undefined) return columnFault(slot, order);
  }
  const [own, answer] = [await fingerprintOf(reference, pacer), await fingerprintOf(candidate, pacer)];
  if (own.bag !== answer.bag) return undefined;
  return {
    cause: 'numbers-moved',
    text: `has the same numbers in other places${role === 'embedding' ? ', across tokens' : ''}`,
  };
}

async function isClose(a: Float64Array, b: Float64Array, tolerance: number, pacer: Pacer): Promise<boolean> {
  const distance = new Distance();
  for (let from = 0; from < a.length; from += AT_ONCE) {
    distance.add(a.subarray(from, from + AT_ONCE), b.subarray(from, from + AT_ONCE));
    if (pacer.due(2 * AT_ONCE)) await pacer.pause();
  }
  return distance.isWithin(tolerance);
}

/** Parts that are packed in one tensor: scale and shift, queries and keys and values, those of two norms and their gates. */
const PARTS = [2, 3, 4, 6];

function rowFault({ role, reference, inPairs }: Slot, order: Int32Array): FoundFault {
  const { heads } = reference!;
  const width = heads?.width ?? widthAt(reference!, role);
  const isMoved = order.some((from, row) => from !== row);
  if (isMoved && width !== undefined && movesRuns(order, width))
    return { cause: 'heads-moved', text: 'has its heads in another order' };
  if (heads !== undefined) {
    const count = role.startsWith('attention.key') ? heads.groups : heads.heads;
    const turned = heads.rotation === null ? heads.width : 2 * heads.rotation.angles.length;
    const found = pairsFault(order, count, turned);
    if (found !== undefined && inPairs)
      return found.heads === null || found.heads === count
        ? { cause: 'pairs-order', text: pairsText(heads.rotation?.interleaved === true, found.heads) }
        : {
            cause: 'head-count',
            text: `has its rows in the order of ${found.heads} heads, and it has ${count}`,
          };
  }
  if (/(?:gate|up)(?:Bias)?$/.test(role)) return UNITS_MOVED;
  const parts = PARTS.find((count) => isMoved && movesRuns(order, order.length / count));
  if (parts !== undefined) {
    const places = Array.from(
      { length: parts },
      (_, part) => 1 + (order[(part * order.length) / parts] * parts) / order.length,
    );
    return { cause: 'packing', text: `has its ${parts} parts in another order: ${places.join(', ')}` };
  }
  return { cause: 'numbers-moved', text: 'has its rows in another order' };
}

const pairsText = (interleaved: boolean, moved: number | null): string =>
  moved === null
    ? `has its rows where the reference has them, ${interleaved ? 'neighbours as pairs' : 'pairs half a head apart'}, and its layout takes them the other way`
    : 'has pairs of the rotary embedding in another order than its layout takes them';

/** The width of the heads that rows of values are of. */
function widthAt({ file, piece }: Source, role: string): number | undefined {
  if (!role.startsWith('attention.')) return undefined;
  return file.network?.layers.find(
    ({ attention }) => attention?.value.tensor === piece.tensor || attention?.output.tensor === piece.tensor,
  )?.attention?.width;
}

function columnFault({ role, reference }: Slot, order: Int32Array): FoundFault {
  const width = widthAt(reference!, role);
  if (role === 'attention.output' && width !== undefined && movesRuns(order, width))
    return { cause: 'heads-moved', text: 'has its heads in another order' };
  if (role.endsWith('down')) return UNITS_MOVED;
  return { cause: 'numbers-moved', text: 'has its columns in another order' };
}

async function distanceOf(compared: Compared, pacer: Pacer): Promise<FoundFault> {
  const { slot, both, reference, candidate } = compared;
  const error = errorOf(compared);
  const share = error === null ? '' : ` by ${amountText(100 * error, 2)} % of its norm`;
  if (both === undefined || slot.reference === undefined || slot.candidate === undefined)
    return { cause: 'perturbed', text: `differs${share}` };
  const cosine = both.product / Math.sqrt(reference!.squares * candidate!.squares);
  const { rows, columns } = slot.reference;
  if (!(cosine > ANOTHER)) return { cause: 'replaced', text: `holds other numbers (cosine ${amountText(cosine, 2)})` };
  const rank = reference!.size <= MOST_ELEMENTS ? await rankOf(slot.reference, slot.candidate, pacer) : undefined;
  if (rank !== undefined && rank > 0 && rank <= Math.min(rows, columns) / 4)
    return { cause: 'low-rank', text: `differs${share}, by a matrix of rank ${rank}` };
  return { cause: 'perturbed', text: `differs${share}` };
}
