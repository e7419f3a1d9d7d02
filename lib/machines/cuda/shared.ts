import type { Control } from '../../backend/control.js';
import type { GramJob, Grams, GramTile, PreparedModel, SharedGrams } from '../../backend/grams.js';
import { processors } from '../../processors.js';
import type { CudaAccess } from './access.js';
import { preparedOn, TILES_AT_ONCE, tileBy } from './prepared.js';

/** Tiles that are wanted for every one at work: while a slow device has one, the others go on with those behind it. */
const AHEAD = 2;

interface Lane {
  /** Place of the device among those that share. */
  readonly place: number;
  busy: number;
  taken: number;
}

/**
 * Grams of devices that share tiles. All wait in one line, and a device that has time takes the first of them, so that a
 * slow one takes fewer. Where one goes wrong, or is aborted, all that are at work are, with its reason.
 * @param grams those of the first.
 * @param tf32 whether products of floats are one pass of TF32.
 */
export function sharedBy(access: CudaAccess, grams: Grams, devices: readonly number[], tf32: boolean): SharedGrams {
  // A thread waits for every tile that is at work.
  const atOnce = Math.max(1, Math.min(TILES_AT_ONCE, Math.floor(processors() / devices.length)));
  const lanes = devices.map((_, place): Lane => ({ place, busy: 0, taken: 0 }));
  const line: ((lane: Lane) => void)[] = [];
  const stop = new AbortController();

  /** The device with the least to do, once one has time. */
  function take(): Promise<Lane> {
    const lane = lanes.reduce((best, next) => (next.busy < best.busy ? next : best));
    if (lane.busy === atOnce) return new Promise((resolve) => line.push(resolve));
    lane.busy++;
    return Promise.resolve(lane);
  }

  function giveBack(lane: Lane): void {
    const next = line.shift();
    if (next === undefined) lane.busy--;
    else next(lane);
  }

  async function tile(
    job: GramJob,
    rows: readonly PreparedModel[],
    columns: readonly PreparedModel[],
    control: Control = {},
  ): Promise<GramTile> {
    const lane = await take();
    const signals = control.signal === undefined ? [stop.signal] : [control.signal, stop.signal];
    try {
      const computed = tileBy(access, lane.place, job, rows, columns, { ...control, signal: AbortSignal.any(signals) });
      lane.taken++;
      return await computed;
    } catch (error) {
      stop.abort(error);
      throw stop.signal.reason;
    } finally {
      giveBack(lane);
    }
  }

  return {
    ...grams,
    tilesAtOnce: AHEAD * atOnce * devices.length,
    prepare: preparedOn(access, devices, tf32),
    tile,
    get taken() {
      return lanes.map(({ taken }) => taken);
    },
  };
}
