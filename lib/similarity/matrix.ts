import { Pacer, throttle } from '../cooperate.js';
import { TensimError } from '../errors.js';
import type { Model } from '../model/model.js';
import type { Order } from '../model/reading/order.js';
import { steadily } from '../tensor/steady.js';
import { crossOf, squareOf } from './assembled.js';
import type { Circumstances } from './circumstances.js';
import { finishedTile } from './finished_tile.js';
import { Cells } from './gram/cells.js';
import { slicesIn } from './gram/degrees.js';
import { type Ranked, sameLabels } from './gram/distinct.js';
import { crossOrder, ranked, squareOrder } from './gram/numbering.js';
import { allOf, type PairSet, pairCount } from './gram/pairs.js';
import { gramMatrix } from './gram/run.js';
import type { Layout } from './gram/slice.js';
import { oneTile, tileSize } from './gram/tile_size.js';
import { resultOf } from './matrix_result.js';
import { KeptModels, roomToKeep } from './members/kept.js';
import { listedModels } from './members/listed.js';
import type { Member } from './members/members.js';
import { BOUND_CELL, checkRoom } from './members/room.js';
import { type Selection, select } from './members/selection.js';
import { type Comparison, type OfSamples, settledOn } from './plan/comparison.js';
import { keptSetting, planMatrix } from './plan/continued.js';
import type { SampledGram } from './sampled/result.js';
import { openLedger, type StateLedger } from './state/ledger.js';
import { type MatrixSettings, settleMatrix } from './terms/matrix_options.js';
import type {
  CrossSimilarity,
  MatrixOptions,
  PerOutput,
  ResultInfo,
  RouteEstimate,
  SimilarityMatrix,
  Work,
} from './terms/types.js';

/**
 * Options that ask for models against others.
 * @inline
 */
type CrossOptions = MatrixOptions & (Asks<'rows'> | Asks<'columns'> | Asks<'reference'>);
/** @inline */
type Asks<Name extends keyof MatrixOptions, Value = NonNullable<MatrixOptions[Name]>> = {
  readonly [name in Name]: Value;
};
/**
 * Options that ask for every model with every other.
 * @inline
 */
type SquareOptions = Omit<MatrixOptions, 'rows' | 'columns' | 'reference'>;

/**
 * The similarities of every model with every other, symmetric to the bit and exactly 1 on the diagonal; or, with
 * `rows`, `columns` or `reference`, of models with others. Models may be given as paths: a file is read once, as far as
 * memory and its limit allow, and else again when its turn comes; folders and patterns are all models in them, in order. Each pair is computed once, models that hold the same
 * weights count as one.
 *
 *     const { cosine, direction } = await similarityMatrix(checkpoints, { perOutput: true });
 *     const { cosine } = await similarityMatrix(paths, { reference: 'step_00000', memoryLimit: '512MiB' });
 *     const { labels } = await similarityMatrix('checkpoints/'); // or 'runs/*.safetensors', in the order of training
 *
 * Models, inputs and the law are read when their turn comes: leave them unchanged until the promise settles.
 *
 * @throws TensimError (rejects) as `similarity` and `loadModel`; `INVALID_ARGUMENT` without models, and for options
 * that exclude each other; `MEMORY_LIMIT` if not even two models fit; `INVALID_FILE` for a state file that is none.
 */
export function similarityMatrix(
  models: ModelList,
  options: CrossOptions & Asks<'perOutput', true>,
): Promise<PerOutput<CrossSimilarity>>;
export function similarityMatrix(
  models: ModelList,
  options: SquareOptions & Asks<'perOutput', true>,
): Promise<PerOutput<SimilarityMatrix>>;
export function similarityMatrix(models: ModelList, options: CrossOptions): Promise<CrossSimilarity>;
export function similarityMatrix(models: ModelList, options?: SquareOptions): Promise<SimilarityMatrix>;
export function similarityMatrix(
  models: ModelList,
  options: MatrixOptions,
): Promise<SimilarityMatrix | CrossSimilarity>;
export async function similarityMatrix(
  models: ModelList,
  options: MatrixOptions = {},
): Promise<SimilarityMatrix | CrossSimilarity> {
  return matrixUnder({}, models, options);
}

/** The same under other circumstances. */
export function matrixUnder(
  circumstances: Circumstances,
  models: ModelList,
  options: MatrixOptions,
): Promise<SimilarityMatrix | CrossSimilarity> {
  return steadily([models, options], () => matrixBy(circumstances, models, options));
}

export type { Executors } from './circumstances.js';

/** Models, or what stands for them: a path, or an array of models, paths, folders and patterns. */
export type ModelList = string | readonly (Model | string)[];

/** What `similarityMatrix` does, for arrays that stay what they are: the result is the same to the bit. */
export async function matrixBy(
  circumstances: Circumstances,
  models: ModelList,
  options: MatrixOptions,
): Promise<SimilarityMatrix | CrossSimilarity> {
  const given = typeof models === 'string' ? [models] : models;
  if (!Array.isArray(given) || given.length === 0) {
    throw new TensimError('INVALID_ARGUMENT', 'similarityMatrix needs an array of at least one model');
  }
  const settings = settleMatrix(options);
  const { signal, onProgress } = settings;
  const unknown = settings.measure === 'weights' ? ({ unknown: 'parameters' } as const) : {};
  const { models: listed, order } = await listedModels(given, { ...settings.load, ...unknown, signal });
  const selection = await select(listed, settings.choice, {
    ...settings.load,
    ...unknown,
    signal,
    kept: new KeptModels(roomToKeep({ ...settings, memoryLimit: roomOf(settings, circumstances) })),
    visits: circumstances.following?.visits,
    onOpen: onProgress && throttle((done, total) => onProgress({ phase: 'open', done, total })),
  });
  const by: Computing = { ...settings, circumstances, order: circumstances.order ?? order };
  return selection.rows === selection.columns ? square(selection, by) : cross(selection, by);
}

interface Computing extends MatrixSettings {
  readonly circumstances: Circumstances;
  readonly order: Order | undefined;
}

const roomOf = ({ memoryLimit }: MatrixSettings, { following }: Circumstances): number =>
  Math.min(memoryLimit, following?.room ?? Number.POSITIVE_INFINITY);

async function square(selection: Selection, settings: Computing): Promise<SimilarityMatrix> {
  const { rows: given } = selection;
  const { order } = settings;
  const { window } = settings.choice;
  const found = await ranked(given);
  const { models, pairs } = squareOrder(found, window);
  const places = { rows: models.numbers, columns: models.numbers };
  const { comparison, cells, ...computed } = await compute(models, places, pairs, settings, selection);
  const behaviour =
    comparison.kind === 'behaviours'
      ? await (await import('./behaviour/scores.js')).matrixBehaviour(
          comparison.behaviours,
          found.numbers,
          window,
          comparison.settings,
        )
      : undefined;
  return squareOf(given, comparison.info, cells, { order, window, behaviour, computed, signal: settings.signal });
}

async function cross(selection: Selection, settings: Computing): Promise<CrossSimilarity> {
  const { rows, columns } = selection;
  const given = [...rows, ...columns];
  const found = await ranked(given);
  const { models, pairs } = crossOrder(found, rows.length);
  const places = { rows: models.numbers.slice(0, rows.length), columns: models.numbers.slice(rows.length) };
  const { comparison, cells, ...computed } = await compute(models, places, pairs, settings, selection);
  return crossOf(rows, columns, comparison.info, cells, computed);
}

/** The inner products of the wanted pairs and what follows from them, for the models at the places of the result. */
async function compute(
  models: Ranked,
  places: Pick<Layout, 'rows' | 'columns'>,
  pairs: PairSet,
  settings: Computing,
  { rows, columns }: Selection,
) {
  const { members, listed, rank } = models;
  const total = pairCount(pairs);
  const { comparison: planned, discarded } = await planMatrix(listed, total, settings);
  const slices = slicesIn(planned.names, settings.perOutput, settings.degrees);
  const beside = planned.kind === 'chains' && planned.method === 'hidden' ? BOUND_CELL : 0;
  checkRoom(places.rows.length, places.columns.length, slices, undefined, beside);
  const tried = planned.kind === 'samples' ? await sample(members, planned, settings) : null;
  const comparison = tried === null ? planned : await settledOn(planned, tried);
  const cells = new Cells({ ...places, count: members.length, slices, window: settings.choice.window });
  const { onTile, circumstances, order } = settings;
  const [down, across] = [rows, columns].map((side) => side.map(({ outline }) => outline));
  circumstances.onBegin?.({
    ...{ info: comparison.info, order, window: settings.choice.window, matrix: cells },
    ...{ rows: down, columns: rows === columns ? down : across, names: settings.perOutput ? comparison.names : [] },
  });
  if (onTile !== undefined) {
    const outputs = slicesIn(comparison.names, settings.perOutput, false);
    cells.subscribe((change) => onTile(finishedTile(cells, members, change, outputs)));
  }
  const same = sameLabels(models, rows === columns ? rows : [...rows, ...columns]);
  if (comparison.kind === 'samples') {
    cells.expect(total, total);
    const sampled = tried!;
    const all = [...members.keys()];
    await cells.put({ rows: all, columns: all, symmetric: true }, sampled, new Pacer(settings.signal));
    const work: Work = { pairs: total, reused: 0, prepared: members.length, same, discarded };
    return { comparison, cells, ...(await resultOf(cells, comparison, sampled)), work };
  }
  const ledger = await ledgerFor(models, comparison, cells, settings);
  try {
    const estimate = estimateOf(comparison.info);
    const flops = estimate === null ? null : estimate.flops / total;
    const { backend, dtype, threads } = comparison.settings;
    const machine = flops === null ? undefined : await backend.grams.machine(dtype, threads);
    const usual = tileSize(flops, slices, machine && machine.flopsPerSecond * machine.pace);
    const forms = backend.grams.once && estimate?.route === 'dense' && total === allOf(members.length);
    const tile = Math.max(usual, forms ? oneTile(members.length, estimate.memory, slices) : 0);
    const memoryLimit = roomOf(settings, circumstances);
    const run = { members, rank, sources: comparison.sources, pairs, cells, tile, memoryLimit, ledger };
    const executor = circumstances.tiles?.(members, comparison, { pairs: total, flops });
    const { devices, ...count } = await gramMatrix(run, comparison.settings, executor);
    const work: Work = { pairs: total, ...count, same, discarded: discarded + (ledger?.discarded ?? 0) };
    return { comparison, cells, ...(await resultOf(cells, comparison)), ...(devices && { devices }), work };
  } finally {
    await ledger?.close();
  }
}

/** Of the route that is taken. */
function estimateOf({ estimates, route }: ResultInfo): RouteEstimate | null {
  return estimates.find((one) => one.route === route) ?? null;
}

/** Samples all models at once: whatever pairs are wanted, the work is in the evaluation of each. */
async function sample(members: readonly Member[], comparison: OfSamples, by: Computing): Promise<SampledGram> {
  const { samples } = by.circumstances;
  const memoryLimit = roomOf(by, by.circumstances);
  const executorOf = samples && ((different: readonly Member[]) => samples(different, comparison));
  const { law, settings } = comparison;
  const { sampledGram } = await import('./sampled/sampled.js');
  return sampledGram(members, law, { ...settings, memoryLimit }, executorOf);
}

async function ledgerFor(
  { members, rank }: Ranked,
  comparison: Comparison,
  cells: Cells,
  { state: given, circumstances, signal }: Computing,
): Promise<StateLedger | undefined> {
  const state = given ?? circumstances.following?.scratch;
  const setting = keptSetting(comparison);
  if (state === undefined || setting === undefined) return undefined;
  const identities: string[] = [];
  for (const member of members) identities.push(await member.identity());
  return openLedger(state, { common: setting, route: comparison.info.route }, { identities, rank }, cells, signal);
}
