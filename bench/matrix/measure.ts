import { totalmem } from 'node:os';
import type { BackendName } from '../../lib/backend/backend.js';
import type { GramRoute } from '../../lib/backend/grams.js';
import type { CudaBackend } from '../../lib/machines/cuda/backend.js';
import type { NativeBackend } from '../../lib/machines/native.js';
import { selectBackend } from '../../lib/machines/select.js';
import type { Model } from '../../lib/model/model.js';
import { similarityMatrix } from '../../lib/similarity/matrix.js';
import { planRoute, routeCosts } from '../../lib/similarity/plan/gram_route.js';
import type { DType, TensorData } from '../../lib/tensor/tensor.js';
import { median } from '../support.js';
import { affordable, chainOf, modelsOf, pairsOf, routesOf, type Shape, weightsOf } from './grid.js';
import type { MatrixPeer } from './peer.js';

/** What there is to measure with. */
export interface Field {
  readonly backends: readonly BackendName[];
  readonly native: NativeBackend | undefined;
  readonly cuda?: CudaBackend | undefined;
  readonly peer: MatrixPeer | undefined;
  readonly threads: number;
  readonly rounds: number;
  /** Seconds of a turn of one contestant, about: fewer models are compared where all would take longer. */
  readonly seconds: number;
}

/**
 * How long the matrix of all models takes; of contestants that compared only some, as many times longer as it has more
 * pairs.
 */
export interface Time {
  readonly contestant: string;
  /** Models that were compared. */
  readonly measured: number;
  readonly seconds: number;
  /**
   * Of them, until the last model is prepared, which the first pairs need not wait for; 0 for peers, who prepare
   * nothing.
   */
  readonly prepare: number;
  readonly pairsPerSecond: number;
  /** Of the pairs alone, by the flops of the route. */
  readonly gflops?: number;
  readonly percentOfPeak?: number;
}

/** One cell of the grid. */
export interface Outcome {
  readonly shape: Shape;
  readonly count: number;
  readonly dtype: DType;
  readonly peak: number | undefined;
  readonly devicePeak: number | undefined;
  readonly times: readonly Time[];
  /** Per backend: the route that the planner takes, and how its time compares with that of the best. */
  readonly plans: readonly { backend: BackendName; route: GramRoute; timesBest: number }[];
  /** What was left out, and why. */
  readonly refusals: readonly string[];
}

interface Contestant {
  readonly name: string;
  readonly backend?: BackendName;
  readonly measured: number;
  /** One turn: seconds per model that is prepared, and per pair. */
  turn(): Promise<{ prepare: number; pair: number }>;
  readonly pairFlops?: number;
}

/** Seconds of each measurement of the peak. */
const PEAK_TURN = 0.05;
/** Largest differences of right results, relative to the norms. */
const TOLERANCE = { float64: 1e-10, float32: 1e-4 } as const;

const nameOf = (backend: BackendName, route: GramRoute) => `${backend} ${route}`;

/**
 * Measures all contestants of a cell in rounds, each taking its turn in every round, so that medians compare like with
 * like.
 * @throws Error if the results of two contestants differ.
 */
export async function measure(shape: Shape, count: number, dtype: DType, field: Field): Promise<Outcome> {
  const { native, cuda, threads, rounds } = field;
  const refusals: string[] = [];
  const own = await ownContestants(shape, count, dtype, field, refusals);
  const most = Math.max(0, ...own.map(({ measured }) => measured));
  const models = modelsOf(shape, weightsOf(shape, most, dtype));
  const contestants: Contestant[] = own.map(({ backend, route, measured }) => ({
    name: nameOf(backend, route),
    backend,
    measured,
    turn: () => ownTurn(models.slice(0, measured), { backend, route, dtype, threads }),
    pairFlops: routeCosts(route, chainOf(shape), dtype).pair.flops,
  }));
  await checkOwn(models.slice(0, CHECKED), own, dtype, threads);
  contestants.push(...(await peerContestants(shape, count, dtype, field)));
  const turns: { prepare: number; pair: number }[][] = contestants.map(() => []);
  const peaks: number[] = [];
  const devicePeaks: number[] = [];
  for (let round = 0; round < rounds; round++) {
    if (native) peaks.push(await native.peak(dtype, PEAK_TURN));
    if (cuda) devicePeaks.push(await cuda.peak(dtype));
    for (const [i, contestant] of contestants.entries()) turns[i].push(await contestant.turn());
  }
  const peak = peaks.length > 0 ? threads * median(peaks) : undefined;
  const devicePeak = devicePeaks.length > 0 ? median(devicePeaks) : undefined;
  const times = contestants.map((contestant, i) =>
    timeOf(contestant, turns[i], count, contestant.backend === 'cuda' ? devicePeak : peak),
  );
  return {
    shape,
    count,
    dtype,
    peak,
    devicePeak,
    times,
    plans: await plansOf(shape, count, dtype, field, times),
    refusals,
  };
}

function timeOf(
  { name, measured, pairFlops }: Contestant,
  turns: readonly { prepare: number; pair: number }[],
  count: number,
  peak: number | undefined,
): Time {
  const prepare = count * median(turns.map((turn) => turn.prepare));
  const pair = median(turns.map((turn) => turn.pair));
  const seconds = prepare + pairsOf(count) * pair;
  const rate = pairFlops === undefined ? undefined : pairFlops / pair;
  return {
    contestant: name,
    measured,
    seconds,
    prepare,
    pairsPerSecond: pairsOf(count) / seconds,
    ...(rate !== undefined && { gflops: rate / 1e9 }),
    ...(rate !== undefined && peak !== undefined && { percentOfPeak: (100 * rate) / peak }),
  };
}

interface Own {
  readonly backend: BackendName;
  readonly route: GramRoute;
  readonly measured: number;
}

async function ownContestants(
  shape: Shape,
  count: number,
  dtype: DType,
  { backends, threads, seconds }: Field,
  refusals: string[],
): Promise<Own[]> {
  const found: Own[] = [];
  for (const backend of backends) {
    const machine = await machineOf(backend, dtype, threads);
    for (const route of routesOf(shape).filter((known) => machine.routes.has(known))) {
      const measured = affordable(shape, count, route, dtype, machine, seconds);
      if (measured > 0) found.push({ backend, route, measured });
      else refusals.push(`${nameOf(backend, route)}: two models take too long, or too much memory`);
    }
  }
  return found;
}

async function ownTurn(
  models: readonly Model[],
  options: { backend: BackendName; route: GramRoute; dtype: DType; threads: number },
): Promise<{ prepare: number; pair: number }> {
  const start = performance.now();
  let prepared = start;
  const onProgress = ({ phase }: { phase: string }) => {
    if (phase === 'prepare') prepared = performance.now();
  };
  await similarityMatrix(models, { ...options, onProgress });
  const end = performance.now();
  return { prepare: (prepared - start) / 1e3 / models.length, pair: (end - prepared) / 1e3 / pairsOf(models.length) };
}

/** As many models as peer.py gives results of. */
const CHECKED = 4;

async function checkOwn(models: readonly Model[], own: readonly Own[], dtype: DType, threads: number): Promise<void> {
  let expected: readonly TensorData[] | undefined;
  for (const { backend, route } of own) {
    const { gram } = await similarityMatrix(models, { backend, route, dtype, threads });
    expected ??= gram;
    checkGram(nameOf(backend, route), gram, expected, dtype);
  }
}

function checkGram(
  name: string,
  gram: readonly ArrayLike<number>[],
  expected: readonly ArrayLike<number>[],
  dtype: DType,
): void {
  for (let i = 0; i < expected.length; i++) {
    for (let j = 0; j < expected.length; j++) {
      const scale = Math.sqrt(expected[i][i] * expected[j][j]);
      const difference = Math.abs(gram[i][j] - expected[i][j]) / scale;
      if (!(difference <= TOLERANCE[dtype])) throw new Error(`${name} is wrong by ${difference.toExponential(2)}`);
    }
  }
}

/** Bytes of weights that a peer is given. */
const MOST_PEER_BYTES = 2 ** 29;

/** The peers know networks without an embedding, or one that is folded in. */
async function peerContestants(shape: Shape, count: number, dtype: DType, field: Field): Promise<Contestant[]> {
  const { peer, seconds, threads } = field;
  if (peer === undefined || shape.m !== undefined) return [];
  const bytes = 2 * shape.h * shape.d * (dtype === 'float64' ? 8 : 4);
  const measured = Math.min(count, Math.max(CHECKED, Math.floor(MOST_PEER_BYTES / bytes)));
  const weights = weightsOf(shape, measured, dtype);
  const methods = await peer.load(measured, shape, dtype, [weights.left, weights.right, weights.down]);
  const few = modelsOf(shape, { ...weights, count: CHECKED });
  const { gram } = await similarityMatrix(few, { dtype, threads });
  for (const method of methods) checkGram(method, await peer.gram(method), gram, dtype);
  return methods.map((name) => ({
    name,
    measured,
    turn: async () => {
      const time = await peer.time(name, seconds / 2);
      return { prepare: 0, pair: time.seconds / time.pairs };
    },
  }));
}

async function plansOf(
  shape: Shape,
  count: number,
  dtype: DType,
  { backends, threads }: Field,
  times: readonly Time[],
) {
  const plans: Outcome['plans'][number][] = [];
  for (const backend of backends) {
    const own = times.filter(({ contestant }) => contestant.startsWith(`${backend} `));
    const machine = await machineOf(backend, dtype, threads);
    const job = {
      chains: Array(count).fill(chainOf(shape)),
      dtype,
      memory: (machine.memory?.total ?? totalmem()) / 2,
    };
    const { route } = planRoute(job, machine); // as similarityMatrix does
    const chosen = own.find(({ contestant }) => contestant === nameOf(backend, route));
    if (chosen === undefined) continue;
    plans.push({ backend, route, timesBest: chosen.seconds / Math.min(...own.map(({ seconds }) => seconds)) });
  }
  return plans;
}

/** What the planner knows of a backend. */
export async function machineOf(backend: BackendName, dtype: DType, threads: number) {
  const { grams } = await selectBackend(backend, { grams: { method: 'one-block', dtype } });
  return { ...(await grams.machine(dtype, threads)), routes: grams.routes, once: grams.once };
}
