import type { GramRoute } from '../backend/backend.js';
import { Pacer, throttle } from '../cooperate.js';
import { TensimError } from '../errors.js';
import type { Model } from '../model/model.js';
import { matrixBehaviour } from './behaviour.js';
import { direction } from './direction.js';
import { Cells } from './gram/cells.js';
import { type Distinct, distinct, inOrder, sameLabels } from './gram/distinct.js';
import { allPairs, bandPairs, crossPairs, type PairSet, pairCount } from './gram/pairs.js';
import { gramMatrix } from './gram/run.js';
import { tileSize } from './gram/tile_size.js';
import { type MatrixSettings, settleMatrix } from './matrix_options.js';
import { type Comparison, planComparison } from './measure.js';
import type { Member } from './members.js';
import { type Selection, select } from './selection.js';
import { openLedger, recordedRoute, type StateLedger } from './state/ledger.js';
import type { CrossSimilarity, MatrixOptions, SimilarityMatrix, Work } from './types.js';

/** Options that ask for models against others. */
type CrossOptions = MatrixOptions & (Asks<'rows'> | Asks<'columns'> | Asks<'reference'>);
type Asks<Name extends keyof MatrixOptions> = { readonly [name in Name]: NonNullable<MatrixOptions[Name]> };
type SquareOptions = Omit<MatrixOptions, 'rows' | 'columns' | 'reference'>;

/**
 * The similarities of every model with every other, symmetric to the bit and exactly 1 on the diagonal; or, with `rows`, `columns` or
 * `reference`, of models with others. Models may be given as paths: their files are read when their turn comes. Each pair is computed
 * once, models that hold the same weights count as one.
 *
 *     const { cosine, direction } = await similarityMatrix(checkpoints, { perOutput: true });
 *     const { cosine } = await similarityMatrix(paths, { reference: 'step_00000', memoryLimit: '512MiB' });
 *
 * @throws TensimError (rejects) as `similarity` and `loadModel`; `INVALID_ARGUMENT` without models, and for options that exclude each
 * other; `MEMORY_LIMIT` if not even two models fit; `INVALID_FILE` for a state file that is none.
 */
export function similarityMatrix(models: readonly (Model | string)[], options: CrossOptions): Promise<CrossSimilarity>;
export function similarityMatrix(
  models: readonly (Model | string)[],
  options?: SquareOptions,
): Promise<SimilarityMatrix>;
export function similarityMatrix(
  models: readonly (Model | string)[],
  options: MatrixOptions,
): Promise<SimilarityMatrix | CrossSimilarity>;
export async function similarityMatrix(
  models: readonly (Model | string)[],
  options: MatrixOptions = {},
): Promise<SimilarityMatrix | CrossSimilarity> {
  if (!Array.isArray(models) || models.length === 0) {
    throw new TensimError('INVALID_ARGUMENT', 'similarityMatrix needs an array of at least one model');
  }
  const settings = settleMatrix(options);
  const { signal, onProgress } = settings;
  const selection = await select(models, settings.choice, {
    ...settings.load,
    signal,
    onOpen: onProgress && throttle((done, total) => onProgress({ phase: 'open', done, total })),
  });
  return selection.rows === selection.columns ? square(selection, settings) : cross(selection, settings);
}

async function square({ rows: given }: Selection, settings: MatrixSettings): Promise<SimilarityMatrix> {
  const { window } = settings.choice;
  const found = await distinct(given);
  // In a band the order of the series keeps neighbours together.
  const models = window === null ? inOrder(found) : found;
  const count = models.members.length;
  const pairs = window === null ? allPairs(count) : bandPairs(count, models.numbers, window);
  const { cells, comparison, work } = await compute(models, models.numbers, models.numbers, pairs, settings, given);
  const { behaviours, info } = comparison;
  const pacer = new Pacer(settings.signal);
  const { gram } = cells;
  return {
    ...info,
    labels: given.map(({ outline }) => outline.label),
    window,
    gram,
    cosine: await cells.cosines(pacer),
    ...(await slicesOf(cells, comparison, pacer)),
    ...(behaviours && { behaviour: await matrixBehaviour(behaviours, models.numbers, window, comparison.settings) }),
    work,
    direction: (first, second) => direction(gram, first, second),
  };
}

async function cross({ rows, columns }: Selection, settings: MatrixSettings): Promise<CrossSimilarity> {
  const given = [...rows, ...columns];
  const found = await distinct(given);
  const isRow = new Set(found.numbers.subarray(0, rows.length));
  const isColumn = new Set(found.numbers.subarray(rows.length));
  const group = (number: number) => (isColumn.has(number) ? (isRow.has(number) ? 1 : 2) : 0);
  const models = inOrder(found, group);
  const groups = [...found.members.keys()].map(group);
  const [onlyRows, inRows] = [groups.filter((g) => g === 0).length, groups.filter((g) => g < 2).length];
  const pairs = crossPairs(onlyRows, inRows, groups.length);
  const [rowNumbers, columnNumbers] = [models.numbers.slice(0, rows.length), models.numbers.slice(rows.length)];
  const { cells, comparison, work } = await compute(models, rowNumbers, columnNumbers, pairs, settings, given);
  const pacer = new Pacer(settings.signal);
  return {
    ...comparison.info,
    rows: rows.map(({ outline }) => outline.label),
    columns: columns.map(({ outline }) => outline.label),
    gram: cells.gram,
    cosine: await cells.cosines(pacer),
    rowNorms: cells.norms('rows'),
    columnNorms: cells.norms('columns'),
    ...(await slicesOf(cells, comparison, pacer)),
    work,
  };
}

async function slicesOf(cells: Cells, { settings, sources: { names } }: Comparison, pacer: Pacer) {
  if (!settings.perOutput) return {};
  return { perOutput: { names, gram: cells.sliceGrams, cosine: await cells.sliceCosines(pacer) } };
}

/** The inner products of the wanted pairs, in the cells of rows and columns. */
async function compute(
  models: Distinct,
  rows: Int32Array,
  columns: Int32Array,
  pairs: PairSet,
  settings: MatrixSettings,
  given: Selection['rows'],
): Promise<{ cells: Cells; comparison: Comparison; work: Work }> {
  const { members } = models;
  const { memoryLimit, onTile, choice } = settings;
  const total = pairCount(pairs);
  const { comparison, discarded } = await plan(members, total, settings);
  const { sources, info } = comparison;
  const slices = settings.perOutput ? sources.names.length : 0;
  const cells = new Cells({ rows, columns, count: members.length, slices, window: choice.window });
  const estimate = info.estimates.find(({ route }) => route === info.route);
  const tile = tileSize(estimate === undefined ? null : estimate.flops / total, slices);
  const ledger = await ledgerFor(members, comparison, cells, settings);
  try {
    const run = { members, sources, pairs, cells, tile, memoryLimit, ledger, onTile };
    const { reused, prepared } = await gramMatrix(run, comparison.settings);
    const same = sameLabels(models, given);
    const lost = discarded + (ledger?.discarded ?? 0);
    return { cells, comparison, work: { pairs: total, reused, prepared, same, discarded: lost } };
  } finally {
    await ledger?.close();
  }
}

/** Decides how to compute: where a choice of routes is left open, by that of the state file. */
async function plan(
  members: readonly Member[],
  pairs: number,
  settings: MatrixSettings,
): Promise<{ comparison: Comparison; discarded: number }> {
  const { memoryLimit, state, route } = settings;
  const extent = { pairs, ...(Number.isFinite(memoryLimit) && { memoryLimit }) };
  const comparison = await planComparison(members, settings, extent);
  const { setting, info } = comparison;
  if (state === undefined || setting === undefined || route !== 'auto') return { comparison, discarded: 0 };
  const { recorded, discarded } = await recordedRoute(state, setting);
  if (recorded === null || recorded === info.route) return { comparison, discarded };
  const again = await planComparison(members, { ...settings, route: recorded as GramRoute }, extent);
  return { comparison: again, discarded };
}

async function ledgerFor(
  members: readonly Member[],
  { setting, info: { route } }: Comparison,
  cells: Cells,
  { state, signal }: MatrixSettings,
): Promise<StateLedger | undefined> {
  if (state === undefined || setting === undefined) return undefined;
  const identities: string[] = [];
  for (const member of members) identities.push(await member.identity());
  return openLedger(state, { common: setting, route }, identities, cells, signal);
}
