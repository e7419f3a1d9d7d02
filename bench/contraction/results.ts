import type { PathInfo } from '../../lib/index.js';
import type { DType } from '../../lib/tensor/tensor.js';
import { cell, formatTable, median, timeCell } from '../support.js';
import type { Contestant } from './contestant.js';
import type { Instance } from './instances.js';
import type { Refusal } from './numpy.js';

/** The measurement of one contestant. */
export interface Result extends Pick<Contestant, 'engine' | 'method'> {
  /** Of a call: the median of the rounds. */
  readonly seconds: number;
  /** Of a call in each round. */
  readonly turns: readonly number[];
  /** Of the operations of the instance, see `Outcome.flops`. */
  readonly gflops: number;
  readonly gigabytesPerSecond: number;
  readonly percentOfPeak?: number;
  /** How many times as fast as numpy's einsum(optimize=True). */
  readonly timesEinsum?: number;
  /**
   * How many times as fast as numpy's einsum(optimize=True) in row-major order, where einsum itself gives a transposed
   * view.
   */
  readonly timesOrdered?: number;
  /** How many times as fast as the fastest of numpy's methods. */
  readonly timesNumpy?: number;
}

/** The measurements of an instance. */
export interface Outcome {
  readonly instance: string;
  readonly group: Instance['group'];
  readonly equation: string;
  readonly shapes: readonly (readonly number[])[];
  readonly dtype: DType;
  /** Operations and bytes moved by the first contestant's path: the yardstick of all, whatever path they take. */
  readonly flops: number;
  readonly bytes: number;
  /** Flops per second of all threads with multiply-adds on registers alone, measured in the same rounds. */
  readonly peak?: number;
  /** The first is what a call without options does. */
  readonly results: readonly Result[];
  readonly refusals: readonly Refusal[];
}

export function outcomeOf(
  { name, group }: Pick<Instance, 'name' | 'group'>,
  { equation, shapes, dtype, flops, bytes }: PathInfo,
  peak: number | undefined,
  measured: readonly Pick<Result, 'engine' | 'method' | 'turns'>[],
  refusals: readonly Refusal[],
): Outcome {
  const timed = measured.map((contestant) => ({ ...contestant, seconds: median(contestant.turns) }));
  const numpy = timed.filter(({ engine }) => engine === 'numpy');
  const einsum = numpy.find(({ method }) => method === 'einsum')?.seconds;
  const ordered = numpy.find(({ method }) => method === 'einsum ordered')?.seconds;
  const best = numpy.length > 0 ? Math.min(...numpy.map(({ seconds }) => seconds)) : undefined;
  const results = timed.map(({ engine, method, seconds, turns }): Result => {
    const rate = flops / seconds;
    return {
      engine,
      method,
      seconds,
      turns,
      gflops: rate / 1e9,
      gigabytesPerSecond: bytes / seconds / 1e9,
      ...(peak !== undefined && { percentOfPeak: (100 * rate) / peak }),
      ...(einsum !== undefined && { timesEinsum: einsum / seconds }),
      ...(ordered !== undefined && { timesOrdered: ordered / seconds }),
      ...(best !== undefined && { timesNumpy: best / seconds }),
    };
  });
  return { instance: name, group, equation, shapes, dtype, flops, bytes, ...(peak && { peak }), results, refusals };
}

/** Columns of contestants beside the first, as GFLOP/s. */
const COLUMNS: readonly (readonly [title: string, engine: Result['engine'], method: string])[] = [
  ['ttgt', 'native', 'ttgt'],
  ['loops', 'native', 'loops'],
  ['fallback', 'fallback', 'blocked'],
  ['f. ttgt', 'fallback', 'ttgt'],
  ['f. loops', 'fallback', 'loops'],
  ['einsum', 'numpy', 'einsum'],
  ['e. order', 'numpy', 'einsum ordered'],
  ['e. path', 'numpy', 'einsum path'],
  ['matmul', 'numpy', 'matmul'],
];

/** A row per instance and dtype; columns that nobody took part in are left out. */
export function outcomesTable(outcomes: readonly Outcome[]): string {
  const find = ({ results }: Outcome, engine: string, method: string) =>
    results.find((result) => result.engine === engine && result.method === method);
  const columns = COLUMNS.filter(([, engine, method]) => outcomes.some((outcome) => find(outcome, engine, method)));
  const head = ['instance', 'dtype', 'time', 'GFLOP/s', 'GB/s', '% of peak', ...columns.map(([title]) => title)];
  return formatTable(
    [...head, '× einsum', '× order', '× best'],
    outcomes.map((outcome) => {
      const [first] = outcome.results as [Result, ...Result[]];
      return [
        outcome.instance,
        outcome.dtype,
        timeCell(first.seconds),
        cell(first.gflops),
        cell(first.gigabytesPerSecond),
        cell(first.percentOfPeak),
        ...columns.map(([, engine, method]) => cell(find(outcome, engine, method)?.gflops)),
        cell(first.timesEinsum),
        cell(first.timesOrdered),
        cell(first.timesNumpy),
      ];
    }),
  );
}

/** What the columns of the table mean. */
export const LEGEND = `time, GFLOP/s, GB/s, % of peak: a call without options (the first backend there is, strategy blocked)
ttgt, loops, fallback (f.), einsum, e. order, e. path, matmul: GFLOP/s of the other strategies, of the fallback, and of numpy: einsum(optimize=True),
  the same put in row-major order where it gives a transposed view (we always give row-major order),
  einsum with a path found beforehand (optimal up to 8 operands, else greedy without a limit on intermediates), matmul on views
× einsum, × order, × best: how many times as fast as numpy's einsum(optimize=True), as that in row-major order, and as the fastest of numpy's methods
flop and bytes are those of our path for all; % of peak: of multiply-adds on registers by all threads, measured in the same rounds`;
