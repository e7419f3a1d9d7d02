import type { GramTile } from '../../backend/backend.js';
import { Pacer } from '../../cooperate.js';
import type { Member } from '../members/members.js';
import { asNumbers, inUnits, totalsOf } from '../scale/model_scale.js';
import type { FinishedTile } from '../terms/types.js';
import type { Cells } from './cells.js';
import { checkProduct, type GramSettings, isProduct, jobControl, type Report, reporter } from './control.js';
import { oriented } from './orientation.js';
import { type PairSet, pairCount } from './pairs.js';
import { checkOwn } from './precision.js';
import { Residents } from './residents.js';
import { type Extents, type Job, jobPairs, jobs } from './schedule.js';
import type { Sources } from './sources.js';
import { Upcoming } from './upcoming.js';

/** What is known already, and where finished jobs are kept. */
export interface Ledger {
  knows(i: number, j: number): boolean;
  /** Resolves when the products would survive the end of the process. */
  keep(job: Job, tile: GramTile): Promise<void>;
}

export interface GramRun {
  /** By number. */
  readonly members: readonly Member[];
  /** Of two models the one of lower rank is the row of their product: see `ranks`. Default: their numbers. */
  readonly rank?: Int32Array | undefined;
  readonly sources: Sources;
  readonly pairs: PairSet;
  /** Takes the results. */
  readonly cells: Cells;
  /** Models along the side of a tile, where memory allows. */
  readonly tile: number;
  /** Bytes that prepared models may take at a time. */
  readonly memoryLimit: number;
  readonly ledger?: Ledger | undefined;
  readonly onTile?: ((tile: FinishedTile) => void) | undefined;
}

export interface GramCount {
  /** Pairs that the ledger knew. */
  readonly reused: number;
  /** How often a model was prepared. */
  readonly prepared: number;
}

/**
 * Computes the wanted pairs, job after job, into `cells`. Without a memory limit all models are prepared first, once each; with one, as
 * many as fit, while the next job's models are read and prepared as the current one is computed. However it ends, they are disposed of.
 * The numbers depend neither on the size of tiles nor on the limit, as those of a pair do not depend on what else is in its job.
 *
 * @throws TensimError `NOT_FINITE` or `ZERO_NORM` naming the models, `MEMORY_LIMIT` where two do not fit; the signal's reason.
 */
export async function gramMatrix(run: GramRun, settings: GramSettings): Promise<GramCount> {
  const { members, sources, pairs, ledger } = run;
  const progress = reporter(settings.onProgress);
  const total = pairCount(pairs);
  const { needed, missing } = await outstanding(pairs, ledger, new Pacer(settings.signal));
  const count: Progressing = { done: total - missing, total, progress };
  const residents = new Residents(members, sources, settings);
  try {
    if (missing === 0) progress('compare', total, total);
    else {
      const extents = await makeRoom(run, needed, residents, count, settings);
      await compute(run, orientedJobs(run, extents), residents, count, settings);
    }
    return { reused: total - missing, prepared: residents.prepared };
  } finally {
    await residents.dispose();
  }
}

function* orientedJobs({ pairs, rank, ledger }: GramRun, extents: Extents): Generator<Job> {
  for (const job of jobs(pairs, extents, ledger?.knows)) {
    if (rank === undefined) yield job;
    else yield* oriented(job, rank);
  }
}

interface Progressing {
  done: number;
  readonly total: number;
  readonly progress: Report;
}

/** How many pairs are to be computed, and the models in them. */
async function outstanding(pairs: PairSet, ledger: Ledger | undefined, pacer: Pacer) {
  const needed = new Set<number>();
  let missing = 0;
  for (let i = 0; i < pairs.count; i++) {
    const before = missing;
    for (const [from, to] of pairs.spans(i)) {
      if (ledger === undefined) missing += to - from;
      for (let j = from; ledger !== undefined && j < to; j++) {
        if (ledger.knows(i, j)) continue;
        missing++;
        needed.add(j);
      }
    }
    if (missing > before) needed.add(i);
    if (pacer.due(pairs.count)) await pacer.pause();
  }
  return { needed: [...needed].sort((a, b) => a - b), missing };
}

/** The part of the memory that the results of a tile may take. */
const RESULTS_PART = 1 / 8;

/** Prepares all models, or finds out how many fit; and cuts tiles and blocks to that. */
async function makeRoom(
  { tile, memoryLimit, pairs, sources }: GramRun,
  needed: readonly number[],
  residents: Residents,
  { progress }: Progressing,
  { perOutput }: GramSettings,
): Promise<Extents> {
  const cell = 8 * (1 + (perOutput ? sources.names.length : 0));
  const side = Math.min(tile, Math.max(1, Math.floor(Math.sqrt((memoryLimit * RESULTS_PART) / cell))));
  const limited = Number.isFinite(memoryLimit);
  const capacity = limited ? await residents.measure(memoryLimit, cell * side * side) : needed.length;
  if (capacity >= needed.length) {
    let done = 0;
    const onPrepared = () => progress('prepare', ++done, needed.length);
    await residents.hold(needed, [], onPrepared);
    return { tile: side, block: pairs.count };
  }
  return extentsFor(capacity, side);
}

/** A block of rows that stays, and two tiles of columns: the one at work and the next. */
export function extentsFor(capacity: number, tile: number): Extents {
  const side = Math.max(1, Math.min(tile, Math.floor(capacity / 8)));
  const block = Math.max(1, Math.floor((capacity - 2 * side) / side)) * side;
  return { tile: side, block };
}

interface Running {
  readonly job: Job;
  readonly tile: Promise<GramTile>;
}

async function compute(
  run: GramRun,
  order: Iterator<Job>,
  residents: Residents,
  count: Progressing,
  settings: GramSettings,
): Promise<void> {
  const { backend, measure, perOutput, signal } = settings;
  const pacer = new Pacer(signal);
  const upcoming = new Upcoming(order, residents);
  const progress = forward(count.progress);
  let begun = count.done;
  const start = async (): Promise<Running | undefined> => {
    const job = await upcoming.next();
    if (job === undefined) return undefined;
    const control = jobControl(settings, begun, jobPairs(job), count.total, progress);
    begun += jobPairs(job);
    const [rows, columns] = [residents.get(job.rows), residents.get(job.columns)];
    const tile = backend.gramTile({ measure, symmetric: job.symmetric, perOutput }, rows, columns, control);
    tile.catch(() => {}); // told when it is waited for
    return { job, tile };
  };
  // One job's models are sure to be there. All are, where nothing limits the memory.
  const atOnce = residents.capacity === Number.POSITIVE_INFINITY ? (backend.tilesAtOnce ?? 1) : 1;
  const queue: Promise<Running | undefined>[] = [];
  const fill = () => {
    while (queue.length < atOnce) {
      const last = queue.at(-1);
      const next = last === undefined ? start() : last.then(start);
      next.catch(() => {});
      queue.push(next);
    }
  };
  try {
    for (fill(); ; ) {
      const current = await queue[0];
      if (current === undefined) return;
      const tile = await current.tile;
      count.done += jobPairs(current.job);
      // The backend has the next job while this one's results are put in place.
      queue.shift();
      fill();
      await goneOn();
      await finish(run, current.job, tile, residents, settings, pacer);
      progress('compare', count.done, count.total);
      signal?.throwIfAborted();
    }
  } finally {
    await Promise.allSettled(queue.map((running) => running.then((left) => left?.tile)));
  }
}

/** What was started, and can go on at once, has gone on. */
const goneOn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Jobs at work at the same time tell of their progress in any order: it never goes back. */
function forward(report: Report): Report {
  let highest = 0;
  return (phase, done, total) => {
    highest = Math.max(highest, done);
    report(phase, highest, total);
  };
}

async function finish(
  run: GramRun,
  job: Job,
  tile: GramTile,
  residents: Residents,
  settings: GramSettings,
  pacer: Pacer,
): Promise<void> {
  const { members, sources, cells, ledger, onTile } = run;
  const label = (number: number) => members[number].outline.label;
  const { rows, columns } = job;
  const [rowScales, columnScales] = [residents.scalesOf(rows), residents.scalesOf(columns)];
  const scaled = inUnits(tile, rowScales, columnScales);
  const { total } = scaled ?? tile;
  for (const [r, i] of rows.entries()) {
    for (let c = 0; c < columns.length; c++) {
      const cell = r * columns.length + c;
      if (i === columns[c]) await checkOwn(scaled ?? tile, cell, rowScales[r], members[i], sources, settings);
      else if (!isProduct(total[cell], false)) checkProduct(total[cell], label(i), label(columns[c]), false);
    }
  }
  await cells.put(job, scaled ?? tile, pacer);
  // The file keeps numbers as they are: products beyond the range of numbers are computed anew every time.
  const kept = scaled === null ? tile : asNumbers(scaled);
  if (kept !== null) await ledger?.keep(job, kept);
  onTile?.({ rows: rows.map(label), columns: columns.map(label), gram: totalsOf(scaled ?? tile) });
}
