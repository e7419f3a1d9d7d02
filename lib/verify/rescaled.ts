import type { Pacer } from '../cooperate.js';
import { type Finding, isOpen } from './findings.js';
import type { NormGroup } from './folding.js';
import type { VerifyOptions } from './options.js';
import { checkQuantised, quantisedOf, type Scales } from './quantised.js';
import { readSource } from './slots.js';
import type { LayoutChange } from './terms.js';

type Change = Pick<LayoutChange, 'kind' | 'text'>;

/**
 * Quantisers make large inputs of a matrix smaller and its columns larger, so that these are rounded less (AWQ,
 * SmoothQuant); what gives the inputs takes it back: a norm before the matrix, or the rows of the one before it. Findings
 * that this explains are changed.
 */
export async function checkRescaled(
  groups: readonly NormGroup[],
  all: readonly Finding[],
  options: VerifyOptions,
  pacer: Pacer,
): Promise<Change[]> {
  const changes: Change[] = [];
  const own = new Rescaling(all, options, pacer);
  for (const { norm, gain, bias, consumers } of groups) {
    if (gain === undefined || !isOpen(gain) || !consumers.some(({ weight }) => isQuantised(weight))) continue;
    const columns = await ratiosOf(gain);
    if (columns === undefined) continue;
    const checked: Explained[] = [];
    for (const { weight } of consumers) {
      const found = await own.explain(weight, columns);
      if (found !== undefined) checked.push(found);
    }
    if (checked.length < consumers.length) continue;
    for (const finding of [gain, bias]) if (finding !== undefined && isOpen(finding)) finding.state = 'same-function';
    changes.push({ kind: 'norm-folded', text: `a part of the gain of ${norm} is in the weights that follow` });
    for (const found of checked) for (const change of take(found)) changes.push(change);
  }
  for (const [before] of PAIRS) {
    const up = all.find(({ compared: { slot } }) => slot.role === before);
    if (up === undefined || !isQuantised(up) || up.state === 'quantised') continue;
    const found = await own.explain(up);
    if (found !== undefined) for (const change of take(found)) changes.push(change);
  }
  return changes;
}

/** Matrices whose rows give the columns of others, with nothing between them that scales do not go through. */
const PAIRS = [
  ['mlp.up', 'mlp.down'],
  ['attention.value', 'attention.output'],
] as const;

/** What explains a quantised matrix, and its partner where that was needed. */
interface Explained {
  readonly marks: readonly (() => void)[];
  readonly change?: Change;
}

function take({ marks, change }: Explained): Change[] {
  for (const mark of marks) mark();
  return change === undefined ? [] : [change];
}

/** Holds quantised matrices of a layer against what they were made of, behind scales. */
class Rescaling {
  readonly #all: readonly Finding[];
  readonly #options: VerifyOptions;
  readonly #pacer: Pacer;

  constructor(all: readonly Finding[], options: VerifyOptions, pacer: Pacer) {
    this.#all = all;
    this.#options = options;
    this.#pacer = pacer;
  }

  /** @param columns what a norm before the matrix has given to its columns */
  async explain(finding: Finding, columns?: Float64Array): Promise<Explained | undefined> {
    const plain = columns && (await this.#check(finding, { columns }));
    if (plain !== undefined) return { marks: [plain] };
    const { role } = finding.compared.slot;
    const behind = PAIRS.find(([before]) => before === role)?.[1];
    const partner = this.#all.find(({ compared: { slot } }) => slot.role === behind);
    if (partner === undefined || !isQuantised(finding)) return undefined;
    if (finding.compared.slot.candidate!.rows !== partner.compared.slot.candidate?.columns) return undefined;
    const rows = await rowScales(finding, columns, this.#pacer);
    const scaled = [
      await this.#check(finding, { rows, ...(columns && { columns }) }),
      await this.#check(partner, { columns: rows.map((scale) => 1 / scale) }),
    ];
    const marks = scaled.filter((mark) => mark !== undefined);
    if (marks.length < scaled.length) return undefined;
    const text = `rows of ${role} at another scale, and columns of ${behind}`;
    return { marks, change: { kind: 'units-rescaled', text } };
  }

  /** What marks a matrix as quantised, where it is as good as its format makes it behind these scales. */
  async #check(finding: Finding, scales: Scales): Promise<(() => void) | undefined> {
    if (!isQuantised(finding)) return undefined;
    const { quantised, isOne } = await checkQuantised(finding.compared, this.#options, this.#pacer, scales);
    if (!isOne) return undefined;
    return () => {
      finding.state = 'quantised';
      finding.quantised = quantised;
      delete finding.fault;
    };
  }
}

const isQuantised = ({ compared: { slot, both } }: Finding): boolean =>
  both !== undefined && slot.reference !== undefined && quantisedOf(slot.candidate) !== undefined;

/** What columns behind a norm were multiplied by as its gain was divided by it; undefined where that is no number. */
async function ratiosOf({ compared: { slot } }: Finding): Promise<Float64Array | undefined> {
  const { reference, candidate } = slot;
  if (reference === undefined || candidate === undefined) return undefined;
  const [a, b] = [await readSource(reference, false), await readSource(candidate, false)];
  const ratios = a.map((value, i) => value / b[i]);
  return ratios.every((ratio) => ratio > 0 && Number.isFinite(ratio)) ? ratios : undefined;
}

/** What every row was multiplied by, fitted to the row as it is behind the scales of its columns. */
async function rowScales(
  { compared: { slot } }: Finding,
  byColumn: Float64Array | undefined,
  pacer: Pacer,
): Promise<Float64Array> {
  const { rows, columns } = slot.reference!;
  const [a, b] = [await readSource(slot.reference!, false), await readSource(slot.candidate!, false)];
  const scales = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    let [product, square] = [0, 0];
    for (let j = 0, at = row * columns; j < columns; j++, at++) {
      const own = a[at] * (byColumn?.[j] ?? 1);
      product += own * b[at];
      square += own * own;
    }
    scales[row] = product > 0 ? product / square : 1;
    if (pacer.due(2 * columns)) await pacer.pause();
  }
  return scales;
}
