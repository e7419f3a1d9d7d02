import type { Control } from '../../backend/control.js';
import { faultIn, type Task } from '../../backend/task.js';
import { TensimError } from '../../errors.js';
import type { DType } from '../../tensor/tensor.js';
import { type Addon, type CudaDevice, type NativeCall, runNative } from '../addon.js';
import type { CudaProbe } from './probe.js';

/**
 * The first that the environment variable CUDA_VISIBLE_DEVICES lets the runtime see: for what is one whole, and for
 * little work.
 */
export const DEVICE = 0;

const MEMORY_HINT = 'Keep fewer models at a time by memoryLimit, use dtype "float32", or the backend "native"';

/** A library and the device in use, as the abilities of the backend reach them. */
export interface CudaAccess {
  readonly addon: Addon;
  /** Path of the library. */
  readonly library: string;
  /**
   * The device, once it has been tried out. Rejects with `BACKEND_UNAVAILABLE`, where it does the task wrong as well, or
   * with the signal's reason.
   */
  usable(control: Control, task?: Task): Promise<CudaDevice>;
  /** The devices that may share tiles, once they have been tried out; the one in use is the first. */
  alike(): readonly number[];
  /** Bytes of its memory in all; 0 before it has been tried out. */
  memory(): number;
  /** Its compute capability, which decides about the code that runs there; undefined before it has been tried out. */
  capability(): string | undefined;
  run<Result>(control: Control, call: NativeCall<Result>): Promise<Result>;
  /** What products reach on registers alone, in flops per second, measured now. */
  peak(dtype: DType): Promise<number>;
}

export function accessTo(
  addon: Addon,
  library: string,
  probe: (signal?: AbortSignal) => Promise<CudaProbe>,
  outcome: () => CudaProbe | undefined,
): CudaAccess {
  const tried = () => {
    const result = outcome();
    return result !== undefined && 'devices' in result ? result : undefined;
  };
  const known = () => tried()?.devices[DEVICE];
  const access: CudaAccess = {
    addon,
    library,
    async usable({ signal }, task = {}) {
      const result = await probe(signal);
      const reason = 'reason' in result ? result.reason : faultIn(result.faults, task);
      if ('devices' in result && reason === null) return result.devices[DEVICE];
      throw new TensimError('BACKEND_UNAVAILABLE', `the backend "cuda" is not available: ${reason}`, {
        hint: 'The backend "auto" takes the best there is',
      });
    },
    alike: () => tried()?.alike ?? [DEVICE],
    memory: () => known()?.totalMemory ?? 0,
    capability: () => known()?.capability,
    run: (control, call) => runNative(addon, control, call, MEMORY_HINT),
    async peak(dtype) {
      await access.usable({});
      return access.run({}, (_, nativeControl) => addon.cudaPeak(library, DEVICE, dtype, nativeControl));
    },
  };
  return access;
}
