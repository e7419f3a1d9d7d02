import type { BackendWith } from '../../lib/backend/backend.js';
import type { NativeBackend } from '../../lib/machines/native.js';
import type { DType, TensorData } from '../../lib/tensor/tensor.js';
import { median, relativeDifference, TOLERANCE } from '../support.js';
import { type Timed, takeTurns, timeCalls } from '../turns.js';
import type { PreparedTask, Task } from './tasks.js';

type Own = BackendWith<'grams' | 'forward'>;

/** What there is to measure with. */
export interface Field {
  readonly native: NativeBackend | undefined;
  readonly fallback: Own;
  readonly threads: number;
  readonly rounds: number;
}

/** The measurement of one contestant. */
export interface Result {
  readonly backend: 'native' | 'fallback';
  readonly threads: number;
  /** Of one unit: the median of the rounds. */
  readonly seconds: number;
  /** Of one unit in each round. */
  readonly turns: readonly number[];
  readonly gflops: number;
  /** Of multiply-adds on registers by so many threads, measured in the same rounds. */
  readonly percentOfPeak?: number;
}

/** The measurements of a task. */
export interface Outcome extends Pick<Task, 'instance' | 'what' | 'unit' | 'flops'> {
  readonly dtype: DType;
  /** Flops per second of one thread with multiply-adds on registers alone. */
  readonly peak?: number;
  readonly results: readonly Result[];
  /** Backends that would take too long. */
  readonly leftOut: readonly Result['backend'][];
}

/** Seconds of each turn, and of each measurement of the peak. */
const TURN = 0.1;
const PEAK_TURN = 0.02;
/** Seconds after which a contestant takes no further turn. */
const PATIENCE = 20;
/** Flops per second of one thread that may be hoped for at least, and the seconds that a pair may then take. */
const HOPED = { native: 15e9, fallback: 0.7e9 } as const;
const AFFORDABLE = 60;

interface Contestant extends Timed {
  readonly backend: Result['backend'];
  readonly threads: number;
  readonly units: number;
}

/**
 * Measures a task on every backend, native on one thread and on all.
 *
 * @throws Error if the results of two backends differ.
 */
export async function measure(task: Task, dtype: DType, field: Field): Promise<Outcome> {
  const { native, rounds } = field;
  const contestants: Contestant[] = [];
  const prepared: PreparedTask[] = [];
  const leftOut: Result['backend'][] = [];
  let expected: TensorData | undefined;
  try {
    for (const backend of backendsFor(dtype, field)) {
      const name = backend === native ? 'native' : 'fallback';
      if (task.flops / HOPED[name] > AFFORDABLE) {
        leftOut.push(name);
        continue;
      }
      const ready = await task.prepare(backend, dtype, field.threads, TURN * HOPED[name]);
      prepared.push(ready);
      const values = await ready.check();
      expected ??= values;
      const difference = relativeDifference(values, expected);
      if (!(difference <= TOLERANCE[dtype])) {
        const where = `${task.instance}, ${task.what}, ${dtype}`;
        throw new Error(`${where}: the results of native and fallback differ by ${difference.toExponential(2)}`);
      }
      for (const threads of name === 'native' ? new Set([1, field.threads]) : [1]) {
        const time = (seconds: number) => timeCalls(() => ready.run(threads), seconds);
        contestants.push({ backend: name, threads, units: ready.units, time });
      }
    }
    const peak = () => native?.peak(dtype, PEAK_TURN);
    const { turns, peaks } = await takeTurns(contestants, { rounds, turn: TURN, patience: PATIENCE, peak });
    const ceiling = peaks.length > 0 ? median(peaks) : undefined;
    const { instance, what, unit, flops } = task;
    const results = contestants.map((contestant, i) => resultOf(contestant, turns[i], flops, ceiling));
    return { instance, what, unit, flops, dtype, ...(ceiling !== undefined && { peak: ceiling }), results, leftOut };
  } finally {
    for (const ready of prepared) ready.dispose();
  }
}

/** The fallback computes in float64 whatever the dtype: it is measured once. */
function backendsFor(dtype: DType, { native, fallback }: Field): Own[] {
  return [...(native ? [native] : []), ...(dtype === 'float64' ? [fallback] : [])];
}

function resultOf(
  { backend, threads, units }: Contestant,
  calls: readonly number[],
  flops: number,
  peak: number | undefined,
): Result {
  const turns = calls.map((call) => call / units);
  const seconds = median(turns);
  const rate = flops / seconds;
  const percentOfPeak = peak === undefined ? undefined : (100 * rate) / (threads * peak);
  return { backend, threads, seconds, turns, gflops: rate / 1e9, ...(percentOfPeak && { percentOfPeak }) };
}
