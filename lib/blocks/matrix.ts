import { Pacer } from '../cooperate.js';
import { TensimError } from '../errors.js';
import { selectBackend } from '../machines/select.js';
import { labelsOf } from '../model/labels.js';
import type { LayerBlocks } from '../model/transformers/network.js';
import { plainly } from '../similarity/terms/plain.js';
import { type AttentionSide, attentionSide, compareSides, mlpContent, ONE_FUNCTION } from './compare.js';
import { type BlockComparison, commonOf, type FoundBlocks } from './comparison.js';
import { contentOf } from './content.js';
import { checkInput } from './law/input.js';
import { type BlockLaw, type BlockLaws, digestOfLaws, whitenedLaw, withLaws } from './law/laws.js';
import { withLayerLog } from './layer_log.js';
import type { AttentionMatrices, BlockMatrixValues, BlocksMatrix, LayerMatrices, MlpMatrices } from './matrix_terms.js';
import type { MlpMethod } from './mlps/choose.js';
import { type Compared, compareMlps } from './mlps/compare.js';
import { mlpSource } from './mlps/source.js';
import { type BlockFile, withBlocks } from './open.js';
import { type GivenSettings, type PlanMlps, plannedMlps, settleBlocks } from './settings.js';
import type { BlockOptions } from './terms.js';
import { checkShape, subjectOf, walkLayers } from './walk.js';
import { meanOf } from './worst.js';

/**
 * Every block of several transformers of one shape, each compared with each, as `similarityOfBlocks` compares two. Every
 * block is prepared once, and one layer of every network is in memory at a time.
 *
 *     const { layers } = await blockMatrix(['step_1000/', 'step_2000/', 'step_3000/']);
 *     layers[0].mlp?.similarity[0][2];
 *
 * @param paths of two networks at least, as in `similarityOfBlocks`
 * @throws TensimError (rejects) as `similarityOfBlocks`
 */
export function blockMatrix(paths: readonly string[], options: BlockOptions = {}): Promise<BlocksMatrix> {
  const { state, signal, onProgress } = options;
  return withNetworks(paths, options, async (comparison) => {
    const layers = await withLayerLog(state, (log) => walkLayers(comparison, { log, onProgress, signal }));
    const networks = [];
    for (const file of comparison.files) networks.push(await subjectOf(file, signal));
    return matrixResult({ ...commonOf(comparison), networks, layers });
  });
}

/**
 * Opens several networks, to be compared by `use`.
 * @throws TensimError as `blockMatrix`
 */
export function withNetworks<Result>(
  paths: readonly string[],
  options: BlockOptions,
  use: (comparison: BlockComparison<LayerMatrices>) => Promise<Result>,
  plan = plannedMlps,
): Promise<Result> {
  const { input = 'standard', signal } = options;
  const given = settleSeveral(options);
  if (!Array.isArray(paths) || paths.length < 2)
    throw new TensimError('INVALID_ARGUMENT', 'a matrix of blocks is of two networks at least', {
      hint: 'Give a list of paths',
    });
  return withAll(paths, options, (files) =>
    withLaws(input, files[0].network.width, signal, async (laws) => use(await comparisonOf(files, given, laws, plan))),
  );
}

/**
 * The options of a comparison of several networks.
 * @throws TensimError `INVALID_ARGUMENT`
 */
export function settleSeveral(options: BlockOptions): GivenSettings {
  const { input = 'standard' } = options;
  const given = settleBlocks(options);
  checkInput(input);
  if (given.align !== 'rotation' && input !== 'sphere') return given;
  const what = input === 'sphere' ? 'the sphere' : 'a rotation';
  throw new TensimError('INVALID_ARGUMENT', `${what} is for two networks`, {
    hint: 'Compare them two at a time, or leave it out',
  });
}

/** Opens networks one after the other, for a use of them all. */
export function withAll<Result>(
  [path, ...others]: readonly string[],
  options: BlockOptions,
  use: (files: readonly BlockFile[]) => Promise<Result>,
  opened: readonly BlockFile[] = [],
): Promise<Result> {
  return withBlocks(path, options, (file) => {
    const all = [...opened, file];
    return others.length === 0 ? use(all) : withAll(others, options, use, all);
  });
}

async function comparisonOf(
  files: readonly BlockFile[],
  asked: GivenSettings,
  laws: BlockLaws,
  plan: PlanMlps,
): Promise<BlockComparison<LayerMatrices>> {
  for (const file of files.slice(1)) checkShape(files[0], file);
  const { methods, chosen, given } = await plan(files, asked);
  const methodOf = ({ number }: LayerBlocks) => methods.get(number)!;
  const { name } = await selectBackend(given.backend, { contractions: { dtype: 'float64' } }, given.signal);
  return {
    ...{ what: 'matrix', files, given, laws, methodOf, backend: name, chosen },
    about: (place) => digestOfLaws(laws, files[0].network.layers[place].number),
    layerOf: async (place) => {
      const own = files.map(({ network }) => network.layers[place]);
      const { number } = own[0];
      const mlp = await mlpMatrices(files, own, methodOf(own[0]), await laws.of(number, 'mlp'), given);
      const attention = await attentionMatrices(files, own, await laws.of(number, 'attn'), given);
      return { layer: number, ...(mlp && { mlp }), ...(attention && { attention }) };
    },
  };
}

/** What several networks have in common, of all that was found. */
export function matrixResult(found: Omit<FoundBlocks<LayerMatrices>, 'ends' | 'norms' | 'rotation'>): BlocksMatrix {
  const { networks, width, input, window, alignment, layers, backend, chosen = [] } = found;
  const labels = labelsOf(networks.map(({ path }) => path));
  return plainly<BlocksMatrix>({
    kind: 'blocks-matrix',
    networks: networks.map((network, i) => ({ label: labels[i], ...network })),
    ...{ width, input, window, alignment, layers, backend },
    ...(chosen.length > 0 && { mlpBackends: chosen }),
  });
}

async function mlpMatrices(
  files: readonly BlockFile[],
  layers: readonly LayerBlocks[],
  method: MlpMethod,
  law: BlockLaw,
  given: GivenSettings,
): Promise<MlpMatrices | undefined> {
  if (layers.some(({ mlp }) => mlp === undefined)) return undefined;
  const { firsts, place } = await distinct(files, layers, mlpContent);
  const sources = [];
  for (const i of firsts) sources.push(await mlpSource(files[i], layers[i]));
  const [{ centres }] = sources;
  if (law.kind === 'moments' && sources.some((one) => one.centres !== centres))
    throw new TensimError('INVALID_ARGUMENT', `layer ${layers[0].number} has norms of two kinds before its MLPs`, {
      hint: 'Moments stand behind a norm: compare these networks two at a time, or under the input "standard"',
    });
  const settings = { ...given, law: await whitenedLaw(law, centres, new Pacer(given.signal)) };
  const between =
    firsts.length === 1
      ? () => ONE_FUNCTION
      : await compareMlps(sources, method === 'whole' ? 'parts' : method, settings);
  const known = new Map<string, Compared | null>();
  const cell = (i: number, j: number): Compared | null => {
    const [one, other] = [place[i], place[j]];
    if (one === other) return ONE_FUNCTION;
    const key = `${one} ${other}`;
    if (!known.has(key)) known.set(key, between(one, other));
    return known.get(key)!;
  };
  const table = (of: (one: Compared) => number | null): BlockMatrixValues =>
    files.map((_, i) => files.map((__, j) => (cell(i, j) === null ? null : of(cell(i, j)!))));
  const exact = files.every((_, i) => files.every((__, j) => cell(i, j)?.exact !== false));
  return {
    similarity: table(({ similarity }) => similarity),
    fidelityError: table(({ fidelityError }) => fidelityError),
    exact,
    standardError: exact ? null : table(({ standardError }) => standardError ?? 0),
  };
}

async function attentionMatrices(
  files: readonly BlockFile[],
  layers: readonly LayerBlocks[],
  law: BlockLaw,
  given: GivenSettings,
): Promise<AttentionMatrices | undefined> {
  if (layers.some(({ attention }) => attention === undefined)) return undefined;
  const { firsts, place } = await distinct(files, layers, (file, { attention, attentionNorm }) =>
    contentOf(file, { attention, attentionNorm }),
  );
  const sides: AttentionSide[] = [];
  for (const i of firsts) sides.push(await attentionSide(files[i], layers[i], law, given));
  const square = () => sides.map(() => sides.map((): number | null => 1));
  const [qk, ov] = [square(), square()];
  for (const [i, one] of sides.entries())
    for (const [j, other] of sides.entries()) {
      if (j <= i) continue;
      const { heads, ov: sum } = await compareSides(one, other, given);
      qk[i][j] = qk[j][i] = meanOf(heads.map((head) => head.qk));
      ov[i][j] = ov[j][i] = sum === null ? null : sum.similarity;
    }
  const all = (values: (number | null)[][]) => files.map((_, i) => files.map((__, j) => values[place[i]][place[j]]));
  return { qk: all(qk), ov: all(ov) };
}

/** Networks that have the same block are compared once: the first that has each, and which of these every one has. */
async function distinct(
  files: readonly BlockFile[],
  layers: readonly LayerBlocks[],
  content: (file: BlockFile, layer: LayerBlocks) => Promise<string>,
): Promise<{ readonly firsts: number[]; readonly place: number[] }> {
  const known = new Map<string, number>();
  const firsts: number[] = [];
  const place: number[] = [];
  for (const [i, file] of files.entries()) {
    const own = await content(file, layers[i]);
    if (!known.has(own)) {
      known.set(own, firsts.length);
      firsts.push(i);
    }
    place.push(known.get(own)!);
  }
  return { firsts, place };
}
