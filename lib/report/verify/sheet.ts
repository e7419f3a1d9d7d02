import type { Fault, MergedTensor, MergeResult, TensorCheck, VerifyOutcome, VerifyResult } from '../../verify/terms.js';
import { count, plural } from '../../words/counts.js';
import { listed } from '../../words/names.js';
import { amountText, errorText } from '../../words/numbers.js';
import { oneLine } from '../../words/quoting.js';
import type { End } from '../judgement.js';
import { causeText, layoutText, layoutTitle, sideText, stateText, tensorsOf } from './words.js';

/** What is verified, by the paths that were given. */
export type Asked =
  | { readonly kind: 'pair'; readonly reference: string; readonly candidate: string }
  | { readonly kind: 'merge'; readonly base: string; readonly adapters: readonly string[]; readonly merged: string };

/** What was verified, and what became of it. */
export type Verification =
  | (Extract<Asked, { kind: 'pair' }> & { readonly end: End<VerifyResult> })
  | (Extract<Asked, { kind: 'merge' }> & { readonly end: End<MergeResult> });

/** A tensor in a report. */
export interface SheetRow {
  /** Its name in the candidate; of merges in the base. */
  readonly tensor: string;
  /** What it is, or what is the matter with it. */
  readonly state: string;
  /** Its state as the result has it. */
  readonly kind: TensorCheck['state'] | MergedTensor['state'];
  readonly outcome: 'pass' | 'fail' | 'not-compared';
  /** Whether there is nothing to tell of it. */
  readonly isEqual: boolean;
  /** How bad it is, beside others of the same outcome. */
  readonly badness: number;
  /** Behind its name and state. */
  readonly cells: readonly string[];
}

/** A verdict on a pair or on a merge as all reports for people tell it. */
export interface Sheet {
  readonly outcome: VerifyOutcome;
  readonly summary: string;
  readonly faults: readonly Fault[];
  /** Names of the columns of `rows`. */
  readonly head: readonly string[];
  /** Worst first. */
  readonly rows: readonly SheetRow[];
  /** Layouts, adapters and files, as rows of name and value. */
  readonly facts: readonly (readonly [name: string, value: string])[];
  readonly notes: readonly string[];
}

/** The column of the names in the reference, where they are others. */
export const IN_REFERENCE = 'in the reference';
/** Adapters that a title names. */
const MOST_ADAPTERS = 3;

/** What was held against what. */
export function titleOf(asked: Asked): string {
  if (asked.kind === 'pair') return `${oneLine(asked.candidate)} against ${oneLine(asked.reference)}`;
  const { adapters } = asked;
  const names =
    adapters.length > MOST_ADAPTERS
      ? `${count(adapters.length)} ${plural(adapters.length, 'adapter')}`
      : listed(adapters.map(oneLine), 'and');
  return `${oneLine(asked.merged)} against ${oneLine(asked.base)} with ${names} merged in`;
}

/** The verdict as a sheet, where no error stopped it. */
export function sheetOf(asked: Verification): End<Sheet> {
  if (asked.kind === 'pair') return 'error' in asked.end ? asked.end : { result: pairSheet(asked.end.result) };
  return 'error' in asked.end ? asked.end : { result: mergeSheet(asked.end.result) };
}

/** Rows that a report for people has room for, in all and of one state. */
const MOST_ROWS = 24;
const MOST_ALIKE = 4;

/** The rows that are listed, and in words those that are left; null where none are. */
export function listedRows({ outcome, rows }: Sheet): {
  readonly shown: readonly SheetRow[];
  readonly left: string | null;
} {
  const shown: SheetRow[] = [];
  const [listed, left] = [new Map<string, number>(), new Map<string, number>()];
  for (const row of rows) {
    const { state, isEqual } = row;
    const before = listed.get(state) ?? 0;
    // Where something is wrong, how well all else went is no news.
    const isNews = outcome === 'pass' ? !isEqual : row.outcome !== 'pass';
    if (!isNews || before === MOST_ALIKE || shown.length === MOST_ROWS) left.set(state, (left.get(state) ?? 0) + 1);
    else {
      shown.push(row);
      listed.set(state, before + 1);
    }
  }
  return { shown, left: left.size === 0 ? null : leftText(left, rows.length - shown.length, shown.length, outcome) };
}

function leftText(left: ReadonlyMap<string, number>, total: number, shown: number, outcome: VerifyOutcome): string {
  const number = count(total);
  const [[state]] = left;
  if (left.size > 1) {
    const counts = [...left].map(([name, of]) => `${count(of)} ${name}`).join(', ');
    return shown === 0 ? `${number} tensors: ${counts}` : `… ${number} more: ${counts}`;
  }
  if (shown > 0) return `… ${number} more ${total === 1 ? 'is' : 'are'} ${state}`;
  const compared = outcome === 'pass' ? '' : ' that both have';
  return `${total === 1 ? 'The only tensor' : `All ${number} tensors`}${compared} ${total === 1 ? 'is' : 'are'} ${state}.`;
}

function pairSheet(result: VerifyResult): Sheet {
  const { outcome, summary, faults, layouts, tensors, reference, candidate, notes } = result;
  const causes = causesOf(faults);
  const isRenamed = tensors.some((tensor) => tensor.reference !== tensor.candidate);
  const isQuantised = tensors.some(({ quantised }) => quantised !== undefined);
  const rows = tensors.map((tensor): SheetRow => {
    const cause = causes.get(tensor.candidate) ?? causes.get(tensor.reference);
    return {
      tensor: tensor.candidate,
      state: cause ?? tensor.quantised?.format ?? stateText(tensor.state),
      kind: tensor.state,
      outcome: outcomeOfTensor(tensor, cause),
      isEqual: tensor.state === 'equal' && cause === undefined,
      badness: badnessOf(tensor),
      cells: [
        ...(isRenamed ? [tensor.reference] : []),
        sizeText(tensor.error),
        ...(isQuantised ? quantisedCells(tensor) : []),
      ],
    };
  });
  const head = [
    ...['tensor', ''],
    ...(isRenamed ? [IN_REFERENCE] : []),
    ...['error', ...(isQuantised ? ['best possible', 'worst block'] : [])],
  ];
  const facts = [
    ...layouts.map((layout) => [layoutTitle(layout), layoutText(layout)] as const),
    ['reference', sideText(reference)] as const,
    ['candidate', sideText(candidate)] as const,
  ];
  return { outcome, summary, faults, head, rows: worstFirst(rows), facts, notes };
}

function mergeSheet({ outcome, summary, faults, tensors, adapters, base, merged, notes }: MergeResult): Sheet {
  const causes = causesOf(faults);
  const rows = tensors.map(({ tensor, state, factor, error }): SheetRow => {
    const cause = causes.get(tensor);
    return {
      tensor,
      state: cause ?? stateText(state),
      kind: state,
      outcome: cause === undefined && isMerged(state) ? 'pass' : 'fail',
      isEqual: state === 'merged' && cause === undefined,
      badness: error ?? Number.POSITIVE_INFINITY,
      cells: [factor === null ? '–' : amountText(factor, 4), sizeText(error)],
    };
  });
  const facts = [
    ...adapters.map(({ file, kind, rank, scale }) => {
      const text = [file, kind, `rank ${rank}`, `scale ${amountText(scale, 4)}`].map(oneLine).join(' · ');
      return ['adapter', text] as const;
    }),
    ['base', sideText(base)] as const,
    ['merged', sideText(merged)] as const,
  ];
  const head = ['tensor', '', 'factor', 'error'];
  return { outcome, summary, faults, head, rows: worstFirst(rows), facts, notes };
}

const isMerged = (state: MergedTensor['state']): boolean => state === 'merged' || state === 'rounded';

function outcomeOfTensor({ state }: TensorCheck, cause: string | undefined): SheetRow['outcome'] {
  if (cause !== undefined || state === 'different') return 'fail';
  return state === 'not-compared' ? 'not-compared' : 'pass';
}

/** What is said of every tensor that has a fault; of several the first. */
function causesOf(faults: readonly Fault[]): ReadonlyMap<string, string> {
  const causes = new Map<string, string>();
  for (const fault of faults)
    for (const tensor of tensorsOf(fault)) if (!causes.has(tensor)) causes.set(tensor, causeText(fault.cause));
  return causes;
}

/** Of quantised tensors how many times the error is that their worst block could have; of others the error. */
function badnessOf({ state, error, quantised }: TensorCheck): number {
  if (quantised !== undefined) return quantised.worst.error / quantised.worst.best || 0;
  // What is only known to be the same as a whole has no error of its own that could be large.
  return error ?? (state === 'different' ? Number.POSITIVE_INFINITY : 0);
}

const RANKS: readonly SheetRow['outcome'][] = ['fail', 'not-compared', 'pass'];

/** Those that fail before those that could not be compared, and what is equal last. */
function worstFirst(rows: readonly SheetRow[]): SheetRow[] {
  const rank = ({ outcome, isEqual }: SheetRow) => RANKS.indexOf(outcome) + (isEqual ? 1 : 0);
  // Infinite beside infinite is no order, and leaves them as they are.
  return rows.toSorted((a, b) => rank(a) - rank(b) || b.badness - a.badness || 0);
}

const sizeText = (error: number | null): string => (error === null ? '–' : errorText(error));

function quantisedCells({ quantised }: TensorCheck): string[] {
  if (quantised === undefined) return ['', ''];
  const { blocks, best, worst } = quantised;
  const where = `block ${count(worst.block)} of ${count(blocks)}`;
  return [errorText(best), `${where}: ${errorText(worst.error)}, best ${errorText(worst.best)}`];
}
