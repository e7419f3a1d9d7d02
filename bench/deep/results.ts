import { cell, formatTable, timeCell } from '../support.js';
import type { Outcome, Result } from './measure.js';

/** A row per pair and dtype: times. */
export function pairsTable(outcomes: readonly Outcome[]): string {
  return table(outcomes, 'pair', 'method', ({ seconds }) => timeCell(seconds));
}

/** A row per network, kind of input and dtype: forward passes per second. */
export function forwardTable(outcomes: readonly Outcome[]): string {
  return table(outcomes, 'input', 'inputs', ({ seconds }) => `${prefixed(1 / seconds)}/s`);
}

function table(
  all: readonly Outcome[],
  unit: Outcome['unit'],
  what: string,
  figure: (result: Result) => string,
): string {
  const outcomes = all.filter((outcome) => outcome.unit === unit);
  const most = Math.max(1, ...outcomes.flatMap(({ results }) => results.map(({ threads }) => threads)));
  // A column of figures and one of percentages for each; what nobody took part in is left out.
  const columns = [
    { title: 'native', backend: 'native', threads: 1 },
    ...(most > 1 ? [{ title: `${most} threads`, backend: 'native', threads: most }] : []),
    { title: 'fallback', backend: 'fallback', threads: 1 },
  ];
  const find = ({ results }: Outcome, { backend, threads }: (typeof columns)[number]) =>
    results.find((result) => result.backend === backend && result.threads === threads);
  const present = columns.filter((column) => outcomes.some((outcome) => find(outcome, column)));
  return formatTable(
    ['network', what, 'dtype', 'flop', ...present.flatMap(({ title }) => [title, 'of peak'])],
    outcomes.map((outcome) => [
      outcome.instance,
      outcome.what,
      outcome.dtype,
      prefixed(outcome.flops),
      ...present.flatMap((column) => {
        const result = find(outcome, column);
        const percent = result?.percentOfPeak;
        return [result ? figure(result) : '–', percent === undefined ? '–' : `${cell(percent)} %`];
      }),
    ]),
  );
}

/** `1.73 M` */
function prefixed(value: number): string {
  const [scale, prefix] = (
    [
      [1e9, 'G'],
      [1e6, 'M'],
      [1e3, 'k'],
    ] as const
  ).find(([size]) => value >= size) ?? [1, ''];
  return `${cell(value / scale)} ${prefix}`;
}

/** What was not measured, a line each. */
export function leftOutLines(outcomes: readonly Outcome[]): string[] {
  return outcomes.flatMap(({ instance, what, dtype, leftOut }) =>
    leftOut.map(
      (backend) =>
        `left out, for it would take more than a minute a pair: ${instance}, ${what}, ${dtype} on ${backend}`,
    ),
  );
}

/** What the tables mean. */
export const LEGEND = `a pair: the inner product of two networks under N(0, I), everything that belongs to one network computed before (self terms too)
inputs: forward passes, one network: what the method sampled costs per network and sample
flop: of a pair, or of an input, by formula (bench/deep/flops.ts); of peak: of multiply-adds on registers by so many threads, in the same rounds
native: one thread; the fallback has one thread, and computes in float64 whatever the dtype
contestants that take long take fewer turns`;
