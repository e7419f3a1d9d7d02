import type { GramTile } from '../../backend/grams.js';
import { Pacer } from '../../cooperate.js';
import { asNumbers, type ScaledTile } from '../scale/model_scale.js';
import { Agenda } from './agenda.js';
import type { Cells } from './cells.js';
import { type GramSettings, jobControl, type Report, reporter } from './control.js';
import type { TileExecutor } from './executor.js';
import { inTurn } from './in_turn.js';
import { LocalExecutor, type Subject } from './local.js';
import { oriented } from './orientation.js';
import { allOf, type PairSet, pairCount } from './pairs.js';
import { type Extents, type Job, jobPairs, jobs } from './schedule.js';

/** Where finished jobs are kept. */
export interface Ledger {
  /** Resolves when the products would survive the end of the process. */
  keep(job: Job, tile: GramTile | ScaledTile): Promise<void>;
}

/** Where products go. */
export type Sink = Pick<Cells, 'isEmpty' | 'knows' | 'expect' | 'put'>;

export interface GramRun extends Subject {
  /** Of two models the one of lower rank is the row of their product: see `ranks`. Default: their numbers. */
  readonly rank?: Int32Array | undefined;
  readonly pairs: PairSet;
  /** Take the results; what they have already is not computed again. */
  readonly cells: Sink;
  /** Cuts the pairs into jobs; default: as `jobs`, of which every one is turned as `rank` says. */
  readonly jobsIn?: ((extents: Extents) => Iterator<Job>) | undefined;
  /** Models along the side of a tile, where memory allows. */
  readonly tile: number;
  readonly ledger?: Ledger | undefined;
}

export interface GramCount {
  /** Pairs that the cells had. */
  readonly reused: number;
  /** How often a model was prepared. */
  readonly prepared: number;
  /** How many devices have computed, where several shared the tiles. */
  readonly devices?: number;
}

/**
 * Computes the wanted pairs, job after job, into `cells`: decides which job is next, has it executed, and puts its tile
 * in place. However it ends, the executor is closed. The numbers depend neither on the size of tiles nor on the
 * executor, as those of a pair do not depend on what else is in its job.
 *
 * @throws TensimError as the executor; the signal's reason.
 */
export async function gramMatrix(
  run: GramRun,
  settings: GramSettings,
  executor: TileExecutor = new LocalExecutor(run, settings),
): Promise<GramCount> {
  const { pairs, cells, tile } = run;
  const pacer = new Pacer(settings.signal);
  try {
    const progress = reporter(settings.onProgress);
    const total = pairCount(pairs);
    const { needed, missing } = await outstanding(pairs, cells, pacer);
    cells.expect(total, missing);
    if (missing === 0) {
      await cells.put(NO_JOB, NO_TILE, pacer);
      progress('compare', total, total);
    } else {
      const onPrepared = (done: number) => progress('prepare', done, needed.length);
      const once = missing === total && total === allOf(pairs.count) && pairs.count <= tile;
      const tiles = Math.ceil(missing / tile ** 2);
      const extents = await executor.open(needed, { tile, block: pairs.count, once, tiles }, onPrepared);
      // Those of which every product is known were not asked for.
      for (const member of run.members) member.release();
      await compute(
        run,
        run.jobsIn?.(extents) ?? orientedJobs(run, extents),
        executor,
        { done: total - missing, total, progress },
        settings,
      );
    }
    const { prepared, devices } = executor;
    return { reused: total - missing, prepared, ...(devices !== undefined && { devices }) };
  } finally {
    await executor.close();
  }
}

/** Where nothing is left to be computed, that is told like a tile. */
const NO_JOB: Job = { rows: [], columns: [], symmetric: true };
const NO_TILE: GramTile = { total: new Float64Array(0), perOutput: new Float64Array(0) };

function* orientedJobs({ pairs, rank, cells }: GramRun, extents: Extents): Generator<Job> {
  for (const job of jobs(pairs, extents, cells.isEmpty ? undefined : (i, j) => cells.knows(i, j))) {
    if (rank === undefined) yield job;
    else yield* oriented(job, rank);
  }
}

/** How many pairs are to be computed, and the models in them. */
async function outstanding(pairs: PairSet, cells: Sink, pacer: Pacer) {
  const needed = new Set<number>();
  let missing = 0;
  const none = cells.isEmpty;
  for (let i = 0; i < pairs.count; i++) {
    const before = missing;
    for (const [from, to] of pairs.spans(i)) {
      if (none) missing += to - from;
      for (let j = from; !none && j < to; j++) {
        if (cells.knows(i, j)) continue;
        missing++;
        needed.add(j);
      }
    }
    if (missing > before) needed.add(i);
    if (pacer.due(pairs.count)) await pacer.pause();
  }
  return { needed: [...needed].sort((a, b) => a - b), missing };
}

interface Progressing {
  done: number;
  readonly total: number;
  readonly progress: Report;
}

async function compute(
  run: GramRun,
  order: Iterator<Job>,
  executor: TileExecutor,
  count: Progressing,
  settings: GramSettings,
): Promise<void> {
  const { signal } = settings;
  const pacer = new Pacer(signal);
  const agenda = new Agenda(order);
  const progress = forward(count.progress);
  let begun = count.done;
  const atOnce = () => executor.atOnce;
  const tiles = inTurn<Job, GramTile | ScaledTile>({
    next: () => agenda.next(),
    start: (job) => {
      const control = jobControl(settings, begun, jobPairs(job), count.total, progress);
      begun += jobPairs(job);
      return executor.run(job, { ...control, coming: agenda.coming });
    },
    atOnce,
    // The executor has the next job while this one's tile is put in place.
    meanwhile: atOnce,
  });
  for await (const { job, result } of tiles) {
    count.done += jobPairs(job);
    await place(run, job, result, pacer);
    progress('compare', count.done, count.total);
    signal?.throwIfAborted();
  }
}

/** Jobs at work at the same time tell of their progress in any order: it never goes back. */
function forward(report: Report): Report {
  let highest = 0;
  return (phase, done, total) => {
    highest = Math.max(highest, done);
    report(phase, highest, total);
  };
}

async function place({ cells, ledger }: GramRun, job: Job, tile: GramTile | ScaledTile, pacer: Pacer): Promise<void> {
  await ledger?.keep(job, asNumbers(tile) ?? tile);
  await cells.put(job, tile, pacer);
}
