import type { Control } from '../../backend/control.js';
import type { GramJob, Grams, GramTile, PreparedModel } from '../../backend/grams.js';
import { TensimError } from '../../errors.js';
import { precisionOf } from '../../tensor/tensor.js';
import type { Addon, CudaModel } from '../addon.js';
import { ownedSource } from '../owned.js';
import type { CudaAccess } from './access.js';

/** One is at work on a device while another is made ready, or put in its place. */
export const TILES_AT_ONCE = 2;

/** A model on the device, or on each of those that share tiles. */
export class CudaPrepared implements PreparedModel {
  readonly outputs: number;
  readonly #addon: Addon;
  readonly #held: readonly CudaModel[];
  #disposed = false;

  constructor(addon: Addon, held: readonly CudaModel[]) {
    this.outputs = held[0].outputs;
    this.#addon = addon;
    this.#held = held;
  }

  /** On each. */
  get bytes(): number {
    return this.#disposed ? 0 : this.#held[0].bytes;
  }

  dispose(): void {
    this.#disposed = true;
    for (const { model } of this.#held) this.#addon.cudaDispose(model);
  }

  /** As the addon knows them on one of the devices that they were prepared for, by its place among these. */
  static modelsOf(models: readonly PreparedModel[], place = 0): object[] {
    return models.map((model) => {
      if (model instanceof CudaPrepared && place < model.#held.length) return model.#held[place].model;
      throw new TensimError('INVALID_ARGUMENT', 'a model prepared by another backend was given to the backend "cuda"');
    });
  }
}

/**
 * Prepares models on each of some devices.
 * @param tf32 whether products of floats are one pass of TF32.
 */
export function preparedOn(access: CudaAccess, devices: readonly number[], tf32: boolean): Grams['prepare'] {
  const { addon, library, run } = access;
  return async (source, dtype, control = {}) => {
    await access.usable(control, { grams: source.kind === 'chain' ? { method: source.method } : {} });
    const held = await run(control, (threads, nativeControl) =>
      addon.cudaPrepare(library, devices, ownedSource(source), precisionOf(dtype, { tf32 }), threads, nativeControl),
    );
    return new CudaPrepared(addon, held);
  };
}

/** A tile by one of the devices that its models were prepared for, by its place among these. */
export async function tileBy(
  { addon, library, run }: CudaAccess,
  place: number,
  job: GramJob,
  rows: readonly PreparedModel[],
  columns: readonly PreparedModel[],
  control: Control = {},
): Promise<GramTile> {
  const [rowModels, columnModels] = [rows, columns].map((models) => CudaPrepared.modelsOf(models, place));
  return run(control, (threads, nativeControl) =>
    addon.cudaGramTile(library, job, rowModels, columnModels, threads, nativeControl),
  );
}
