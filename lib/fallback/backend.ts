import type { Backend, Control, PreparedModel } from '../backend/backend.js';
import { Pacer, throttle } from '../cooperate.js';
import { TensimError } from '../errors.js';
import { executePlan } from './contraction/execute.js';
import { MACHINE } from './contraction/machine.js';
import { loopHafnian } from './gaussian/hafnian.js';
import { normals } from './gaussian/normals.js';
import { symmetricEigen } from './linalg/symmetric_eigen.js';
import { prepareForward } from './model/forward.js';
import { gramTile } from './similarity/gram_tile.js';
import { FallbackModel, prepareChain, prepareFeatures } from './similarity/prepared.js';

/**
 * The backend that runs wherever Node does: one thread, that of the caller, in slices of a few milliseconds. It is the
 * readable twin of the native backend and gives the same numbers.
 */
export function createFallback(): Backend {
  return {
    name: 'fallback',
    methods: new Set(['one-block', 'two-block', 'closure', 'tensor']),
    routes: new Set(['factor', 'unfolded', 'dense']),
    async prepare(source, dtype, control = {}) {
      const pacer = new Pacer(control.signal);
      const prepared = await (source.kind === 'chain'
        ? prepareChain(source, dtype, pacer)
        : prepareFeatures(source, dtype, pacer));
      control.onProgress?.(1, 1);
      return prepared;
    },
    async gramTile(job, rows, columns, control = {}) {
      const pacer = new Pacer(control.signal);
      return gramTile(job, rows.map(own), columns.map(own), pacer, reporter(control));
    },
    async prepareForward(source, dtype, control = {}) {
      control.signal?.throwIfAborted();
      return prepareForward(source, dtype);
    },
    normals: (stream, first, count, control = {}) => normals(stream, first, count, new Pacer(control.signal)),
    machine: () => MACHINE,
    contract: (plan, operands, control = {}) => executePlan(plan, operands, control),
    async loopHafnian(legs, control = {}) {
      return loopHafnian(legs, new Pacer(control.signal), reporter(control));
    },
    async symmetricEigen(matrices, wanted, control = {}) {
      return symmetricEigen(matrices, wanted, new Pacer(control.signal), reporter(control));
    },
  };
}

function own(model: PreparedModel): FallbackModel {
  if (model instanceof FallbackModel) return model;
  throw new TensimError('INVALID_ARGUMENT', 'a model prepared by another backend was given to the fallback');
}

function reporter({ onProgress }: Control): (done: number, total: number) => void {
  return onProgress === undefined ? () => {} : throttle(onProgress);
}
