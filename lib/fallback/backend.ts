import { DTYPES } from '../backend/ability.js';
import type { Abilities } from '../backend/backend.js';
import type { Contractions } from '../backend/contractions.js';
import type { Control } from '../backend/control.js';
import type { Eigen } from '../backend/eigen.js';
import type { Forms } from '../backend/forms.js';
import type { Forward } from '../backend/forward.js';
import type { GramRoute, Grams, PreparedModel, RouteEfficiency } from '../backend/grams.js';
import type { Hafnians } from '../backend/hafnians.js';
import type { LowRank } from '../backend/low_rank.js';
import type { Normals } from '../backend/normals.js';
import { Pacer, throttle } from '../cooperate.js';
import { TensimError } from '../errors.js';
import { steadily } from '../tensor/steady.js';
import { executePlan } from './contraction/execute.js';
import { MACHINE } from './contraction/machine.js';
import { loopHafnian } from './gaussian/hafnian.js';
import { normals as drawNormals } from './gaussian/normals.js';
import { foldOneBlock } from './gaussian/one_block.js';
import { fallbackLayers } from './layers/table.js';
import { symmetricEigen } from './linalg/symmetric_eigen.js';
import { prepareForward } from './model/forward.js';
import { gramTile } from './similarity/gram_tile.js';
import { lowRankProducts } from './similarity/low_rank.js';
import { FallbackModel, prepareChain, prepareFeatures } from './similarity/prepared.js';

/** Every kind of layer that there is when it is asked. */
const allKinds = (): ReadonlySet<string> => new Set(fallbackLayers.types);

/** As for the native backend, so that both take the same way. */
const ROUTES: ReadonlyMap<GramRoute, RouteEfficiency> = new Map([
  ['factor', { prepare: 0.3, pair: 0.8 }],
  ['unfolded', { prepare: 0.3, pair: 0.75 }],
  ['dense', { prepare: 0.5, pair: 0.6 }],
]);

const grams: Grams = {
  methods: new Set(['one-block', 'hidden', 'two-block', 'closure', 'tensor']),
  get kinds() {
    return allKinds();
  },
  dtypes: DTYPES,
  degrees: new Set(['one-block', 'hidden']),
  routes: ROUTES,
  async machine() {
    const { flopsPerSecond, bytesPerSecond } = MACHINE;
    return { flopsPerSecond, bytesPerSecond, pace: 1 };
  },
  async prepare(source, dtype, control = {}) {
    const pacer = new Pacer(control.signal);
    const prepared = await steadily(source, () =>
      source.kind === 'chain' ? prepareChain(source, dtype, pacer) : prepareFeatures(source, dtype, pacer),
    );
    control.onProgress?.(1, 1);
    return prepared;
  },
  async tile(job, rows, columns, control = {}) {
    const pacer = new Pacer(control.signal);
    return steadily(null, () => gramTile(job, rows.map(own), columns.map(own), pacer, reporter(control)));
  },
};

const forward: Forward = {
  get kinds() {
    return allKinds();
  },
  dtypes: DTYPES,
  async prepare(source, dtype, control = {}) {
    control.signal?.throwIfAborted();
    return prepareForward(source, dtype);
  },
};

const normals: Normals = {
  draw: (stream, first, count, control = {}) =>
    steadily(null, async () => drawNormals(stream, first, count, new Pacer(control.signal))),
};

const forms: Forms = {
  get kinds() {
    return allKinds();
  },
  fold: (source, control = {}) => steadily(source, async () => foldOneBlock(source, new Pacer(control.signal))),
};

const contractions: Contractions = {
  dtypes: DTYPES,
  machine: () => MACHINE,
  run: (plan, operands, control = {}) => steadily(operands, () => executePlan(plan, operands, control)),
};

const hafnians: Hafnians = {
  async loopHafnian(legs, control = {}) {
    return steadily(legs, async () => loopHafnian(legs, new Pacer(control.signal), reporter(control)));
  },
};

const lowRank: LowRank = {
  dtypes: DTYPES,
  products: (rows, columns, _, control = {}) =>
    steadily([rows, columns], () => lowRankProducts(rows, columns, new Pacer(control.signal), reporter(control))),
};

const eigen: Eigen = {
  async symmetricEigen(matrices, wanted, control = {}) {
    return steadily(matrices, () => symmetricEigen(matrices, wanted, new Pacer(control.signal), reporter(control)));
  },
};

/**
 * The backend that runs wherever Node does: one thread, that of the caller, in slices of a few milliseconds. It is the
 * readable twin of the native backend and gives the same numbers. Stateless, so one serves all.
 */
export const FALLBACK: Abilities & { readonly name: 'fallback' } = {
  name: 'fallback',
  ...{ grams, forward, normals, forms, contractions, hafnians, lowRank, eigen },
};

function own(model: PreparedModel): FallbackModel {
  if (model instanceof FallbackModel) return model;
  throw new TensimError('INVALID_ARGUMENT', 'a model prepared by another backend was given to the fallback');
}

function reporter({ onProgress }: Control): (done: number, total: number) => void {
  return onProgress === undefined ? () => {} : throttle(onProgress);
}
