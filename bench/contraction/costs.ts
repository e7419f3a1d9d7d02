import { compileContraction, type PathInfo } from '../../lib/index.js';
import type { DType } from '../../lib/tensor/tensor.js';
import { cell, formatTable, median, timeCell } from '../support.js';
import { takeTurns } from '../turns.js';
import { type Engine, operandsOf, ownContestant } from './engines.js';
import { type Instance, shapesOf } from './instances.js';
import { type Field, TURN } from './measure.js';

/** An instance contracted by the path that the default cost chooses, and by that of the fewest flops. */
export interface CostOutcome {
  readonly instance: string;
  readonly dtype: DType;
  readonly engine: Engine;
  readonly time: CostResult;
  readonly flops: CostResult;
  /** Both costs choose the same steps: measured once. */
  readonly same: boolean;
}

export interface CostResult {
  readonly flops: number;
  readonly bytes: number;
  readonly predicted: number;
  readonly seconds: number;
}

/** There is nothing to choose with two operands. */
export const hasChoice = (instance: Instance): boolean => shapesOf(instance).length > 2;

export async function measureCosts(
  instance: Instance,
  dtype: DType,
  engine: Engine,
  { threads, rounds }: Field,
): Promise<CostOutcome> {
  const operands = operandsOf(instance, dtype);
  const [time, flops] = (['time', 'flops'] as const).map((cost) => {
    const options = { backend: engine, cost, dtype, threads };
    return ownContestant(
      engine,
      cost,
      compileContraction(instance.equation, shapesOf(instance), options),
      operands,
      threads,
    );
  }) as [ReturnType<typeof ownContestant>, ReturnType<typeof ownContestant>];
  const same = stepsText(time.path) === stepsText(flops.path);
  const contestants = same ? [time] : [time, flops];
  for (const contestant of contestants) await contestant.run();
  const { turns } = await takeTurns(contestants, { rounds, turn: TURN });
  const result = ({ path }: typeof time, list: readonly number[]): CostResult => {
    return { flops: path.flops, bytes: path.bytes, predicted: path.seconds, seconds: median(list) };
  };
  return {
    instance: instance.name,
    dtype,
    engine,
    time: result(time, turns[0]),
    flops: result(flops, turns.at(-1)!),
    same,
  };
}

function stepsText({ steps }: PathInfo): string {
  return steps.map(({ text }) => text).join(' ');
}

export function costsTable(outcomes: readonly CostOutcome[]): string {
  return formatTable(
    ['instance', 'dtype', 'backend', 'flop', 'fewest', 'MB', 'of fewest', 'predicted', 'time', 'of fewest', 'ratio'],
    outcomes.map(({ instance, dtype, engine, time, flops, same }) => [
      instance,
      dtype,
      engine,
      time.flops.toExponential(2),
      flops.flops.toExponential(2),
      cell(time.bytes / 1e6),
      cell(flops.bytes / 1e6),
      timeCell(time.predicted),
      timeCell(time.seconds),
      timeCell(flops.seconds),
      same ? 'same path' : cell(time.seconds / flops.seconds),
    ]),
  );
}
