import type { NativeBackend } from '../../lib/machines/native.js';
import type { DType } from '../../lib/tensor/tensor.js';
import { median, TOLERANCE } from '../support.js';
import { takeTurns } from '../turns.js';
import type { Contestant } from './contestant.js';
import { type Engine, operandsOf, ownContestants } from './engines.js';
import type { Instance } from './instances.js';
import type { NumpyPeer } from './numpy.js';
import { type Outcome, outcomeOf } from './results.js';

/** What there is to measure with. */
export interface Field {
  readonly engines: readonly Engine[];
  readonly native: NativeBackend | undefined;
  readonly numpy: NumpyPeer | undefined;
  readonly threads: number;
  readonly rounds: number;
}

/** Seconds of each turn of a contestant. */
export const TURN = 0.05;
/** Seconds of each measurement of the peak. */
const PEAK_TURN = 0.02;
/**
 * Measures all contestants of an instance in rounds, each taking its turn in every round: neighbours on the machine
 * come and go, and a median of rounds compares like with like.
 *
 * @throws Error if the results of two contestants differ.
 */
export async function measure(instance: Instance, dtype: DType, field: Field): Promise<Outcome> {
  const { engines, native, numpy, threads, rounds } = field;
  const operands = operandsOf(instance, dtype);
  const own = ownContestants(instance, operands, dtype, engines, threads);
  const [first] = own;
  if (first === undefined) throw new Error(`${instance.name}: nothing of ours is affordable`);
  const expected = await first.run();
  const peer = await numpy?.load(instance, operands, dtype, expected);
  const contestants: Contestant[] = [...own, ...(peer?.contestants ?? [])];
  for (const contestant of contestants) {
    const difference = await contestant.check(expected.data);
    if (!(difference <= TOLERANCE[dtype])) {
      const names = `${contestant.engine} ${contestant.method} and ${first.engine} ${first.method}`;
      throw new Error(`${instance.name}, ${dtype}: results of ${names} differ by ${difference.toExponential(2)}`);
    }
  }
  const peak = () => native?.peak(dtype, PEAK_TURN);
  const { turns, peaks } = await takeTurns(contestants, { rounds, turn: TURN, peak });
  return outcomeOf(
    instance,
    first.path,
    peaks.length > 0 ? threads * median(peaks) : undefined,
    contestants.map(({ engine, method }, i) => ({ engine, method, turns: turns[i] })),
    peer?.refusals ?? [],
  );
}
