import type { ActivationName } from '../../lib/layers/activations.js';
import type { GatedLayer, HiddenLayer } from '../../lib/model/model.js';
import { randomTensor } from './models.js';
import type { Random } from './random.js';

export interface UnitShape {
  readonly inputs: number;
  readonly hidden: number;
  readonly outputs: number;
  readonly activation: ActivationName;
  readonly biases?: boolean;
  /** α and β; default 0 and 1. α ≠ 0 needs inputs = outputs. */
  readonly residual?: readonly [alpha: number, beta: number];
  /** Whether there is a linear map beside the block. */
  readonly skip?: boolean;
}

/** What both kinds have behind the units. */
function behind(draw: Random, { inputs, hidden, outputs, activation, biases, residual = [0, 1], skip }: UnitShape) {
  return {
    ...{ activation, slope: null, down: randomTensor(draw, outputs, hidden) },
    ...(activation === 'prelu' && { slopes: randomTensor(draw, hidden) }),
    ...(biases && { downBias: randomTensor(draw, outputs) }),
    ...(skip && { skip: randomTensor(draw, outputs, inputs) }),
    ...{ alpha: residual[0], beta: residual[1] },
  };
}

export function randomHidden(draw: Random, shape: UnitShape): HiddenLayer {
  const { inputs, hidden, biases } = shape;
  return {
    ...{ type: 'hidden', weight: randomTensor(draw, hidden, inputs) },
    ...(biases && { bias: randomTensor(draw, hidden) }),
    ...behind(draw, shape),
  };
}

export function randomGated(draw: Random, shape: UnitShape): GatedLayer {
  const { inputs, hidden, biases } = shape;
  return {
    ...{ type: 'gated', gate: randomTensor(draw, hidden, inputs), up: randomTensor(draw, hidden, inputs) },
    ...(biases && { gateBias: randomTensor(draw, hidden), upBias: randomTensor(draw, hidden) }),
    ...behind(draw, shape),
  };
}
