import { faultIn, refusal, type Task } from '../../backend/task.js';
import type { Work, WorkKind } from '../../backend/work.js';
import { processors } from '../../processors.js';
import { bytesIn } from '../../words/bytes.js';
import { timeText } from '../../words/times.js';
import type { NativeBackend } from '../native.js';
import { type CudaBackend, loadCuda } from './backend.js';
import type { CudaRates } from './rates.js';

/** Whether a task is for a GPU, and in one line why the other backend was passed over. */
export type Verdict = { readonly backend: CudaBackend; readonly why: string } | { readonly whyNot: string };

/** Work that the processor is expected to do in no more seconds is not worth waking up a device, whatever it can do. */
export const PATIENCE = 5;
/** What is predicted is predicted roughly: a device must be quicker by this much. */
const WORTH = 1.5;

/** Shares of the rate of large products that the processor reaches, all threads at work. */
const NATIVE: Readonly<Record<WorkKind, number>> = {
  pairs: 0.8,
  vectors: 0.4,
  closure: 0.4,
  units: 0.8,
  samples: 0.6,
  outputs: 0.6,
  contraction: 0.8,
};
/**
 * Shares of the rate on registers that devices reach, of the lower ones that were measured: small models and small
 * heads leave a device idle for a good part of the time.
 */
const CUDA: Readonly<Record<WorkKind, number>> = {
  pairs: 0.15,
  vectors: 0.3,
  closure: 0.1,
  units: 0.2,
  samples: 0.1,
  outputs: 0.1,
  contraction: 0.15,
};
/** Of the rate of copies, of steps that look at elements only. */
const MOVES = 0.3;

/**
 * Whether the CUDA backend is expected to do a task sooner than the native one, the start of the device and transfers
 * included. It is tried out and measured only for work that would keep the processor busy for some time; undefined
 * where there is no library. Rejects with the signal's reason.
 */
export async function weighCuda(
  task: Task,
  workOf: () => Work,
  native: NativeBackend,
  signal?: AbortSignal,
): Promise<Verdict | undefined> {
  const found = loadCuda();
  if ('reason' in found) return undefined;
  const { backend } = found;
  const lack = refusal(backend, task);
  if (lack !== null) return { whyNot: lack };
  const work = workOf();
  const { flopsPerSecond: host, bytesPerSecond } = await hostRates(work, native);
  const { moved = 0 } = work;
  const nativeSeconds = (work.hostFlops + work.flops / NATIVE[work.kind]) / host + moved / bytesPerSecond;
  if (nativeSeconds <= PATIENCE)
    return { whyNot: `expected to take ${timeText(nativeSeconds)} without it, which is too little for a device` };
  const state = await backend.weighed(signal);
  if ('reason' in state) return { whyNot: state.reason };
  const { rates, freeMemory, devices, copies, faults } = state;
  const fault = faultIn(faults, task);
  if (fault !== null) return { whyNot: fault };
  if (work.held > freeMemory) {
    const [needed, free] = [bytesIn('GiB', work.held), bytesIn('GiB', freeMemory)];
    const what = work.kind === 'contraction' || work.kind === 'outputs' ? 'it takes' : 'two models take';
    return { whyNot: `${what} ${needed} GiB, and the device has ${free} GiB free` };
  }
  const cudaSeconds = deviceSeconds(work, rates, devices) + moved / (MOVES * copies) + work.hostFlops / host;
  const times = `${timeText(nativeSeconds)} by native, and ${timeText(cudaSeconds)} by cuda`;
  if (nativeSeconds < WORTH * cudaSeconds) return { whyNot: `expected to take ${times}` };
  return { backend, why: `expected to take ${times}` };
}

/** Of all threads: of the class of the processor, so that two runs choose alike. */
async function hostRates({ dtype, threads }: Work, { grams, contractions }: NativeBackend) {
  const { flopsPerSecond } = await grams.machine(dtype, threads);
  const { bytesPerSecond } = contractions.machine(dtype, threads);
  return { flopsPerSecond: flopsPerSecond * (threads ?? processors()), bytesPerSecond };
}

/** Seconds until everything is done, the start of the device included; of several, all get what is handed over. */
export function deviceSeconds(work: Work, { peak, upload, start }: CudaRates, devices = 1): number {
  const { kind, dtype, flops, bytes, tilesAt } = work;
  const sharing = Math.max(1, Math.min(devices, tilesAt?.(peak[dtype]) ?? 1));
  return start + bytes / upload + flops / (sharing * CUDA[kind] * peak[dtype]);
}
