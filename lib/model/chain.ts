import { TensimError } from '../errors.js';
import { type AttentionOf, type BilinearOf, LAYER_DEGREE, type LayerOf, type LinearOf } from '../layers/layer.js';

/** A part of a layer by its name (of the tensor in its file, or of its role) and its shape. */
export interface NamedShape {
  readonly name: string;
  readonly shape: readonly number[];
}

/** What a chain of layers maps to what. */
export interface ChainInfo {
  readonly inputs: number;
  readonly outputs: number;
  /** Polynomial degree of the output in the input: the product of the layers' degrees. */
  readonly degree: number;
}

/** Reports a part that does not fit; `place` names the file, if there is one. */
type Refuse = (part: NamedShape, problem: string) => never;
/** Reports a number of the layer that cannot be right. */
type Fail = (problem: string) => never;

/**
 * Checks that the parts of every layer fit each other and every layer takes what the one before it gives. It needs shapes
 * only, so that a checkpoint is judged by its header before any weight is read.
 * @throws TensimError `SHAPE_MISMATCH` naming the layer (counted from 1) and the tensors; `INVALID_ARGUMENT` for an empty
 * chain, or a number of a layer that cannot be right.
 */
export function checkChain(layers: readonly LayerOf<NamedShape>[], file?: string): ChainInfo {
  const first = layers[0];
  if (first === undefined) throw new TensimError('INVALID_ARGUMENT', 'a model needs at least one layer', place(file));
  const inputs = inputsOf(first);
  let width = inputs;
  let before = '';
  let degree = 1;
  for (const [index, layer] of layers.entries()) {
    const title = `layer ${index + 1} (${layer.type})`;
    const refuse: Refuse = (part, problem) => {
      throw new TensimError('SHAPE_MISMATCH', `${title}: ${problem}`, { ...place(file), tensor: part.name });
    };
    const fail = (problem: string): never => {
      throw new TensimError('INVALID_ARGUMENT', `${title}: ${problem}`, place(file));
    };
    const { takes, gives, widest } = checkLayer(layer, refuse, fail);
    if (takes !== width)
      refuse(widest, `takes ${features(takes)}, but layer ${index} (tensor "${before}") gives ${width}`);
    degree *= LAYER_DEGREE[layer.type];
    width = gives.width;
    before = gives.name;
  }
  return { inputs, outputs: width, degree };
}

interface Checked {
  readonly takes: number;
  readonly gives: { readonly width: number; readonly name: string };
  /** The part that shows how many features the layer takes. */
  readonly widest: NamedShape;
}

function checkLayer(layer: LayerOf<NamedShape>, refuse: Refuse, fail: Fail): Checked {
  switch (layer.type) {
    case 'linear':
      return checkLinear(layer, refuse);
    case 'bilinear':
      return checkBilinear(layer, refuse, fail);
    case 'attention':
      return checkAttention(layer, refuse, fail);
  }
}

function checkLinear({ weight, bias }: LinearOf<NamedShape>, refuse: Refuse): Checked {
  const [out, takes] = matrix(weight, refuse);
  if (bias !== undefined) vector(bias, out, weight, refuse);
  return { takes, gives: { width: out, name: weight.name }, widest: weight };
}

function checkBilinear(layer: BilinearOf<NamedShape>, refuse: Refuse, fail: Fail): Checked {
  const { left, right, down, leftBias, rightBias, downBias } = layer;
  checkFactors(layer, fail);
  const [hidden, takes] = matrix(left, refuse);
  const [rightHidden, rightTakes] = matrix(right, refuse);
  if (rightHidden !== hidden || rightTakes !== takes)
    refuse(right, `has shape ${shown(right)}, but the left side "${left.name}" has ${shown(left)}`);
  if (leftBias !== undefined) vector(leftBias, hidden, left, refuse);
  if (rightBias !== undefined) vector(rightBias, hidden, right, refuse);
  const [out, downTakes] = down === undefined ? [hidden, hidden] : matrix(down, refuse);
  if (down !== undefined && downTakes !== hidden)
    refuse(down, `has shape ${shown(down)} and takes ${downTakes} hidden units, but "${left.name}" gives ${hidden}`);
  const last = down ?? left;
  if (downBias !== undefined) vector(downBias, out, last, refuse);
  checkResidual(layer, takes, out, last, refuse);
  return { takes, gives: { width: out, name: last.name }, widest: left };
}

function checkAttention(layer: AttentionOf<NamedShape>, refuse: Refuse, fail: Fail): Checked {
  const { heads, mask, rotaryBase, q1, k1, q2, k2, v, o, oBias } = layer;
  checkFactors(layer, fail);
  if (!Number.isSafeInteger(heads) || heads < 1) fail(`heads is ${heads}, not a whole number from 1`);
  if (mask !== 'causal' && mask !== 'none') fail(`mask is ${JSON.stringify(mask)}, neither "causal" nor "none"`);
  if (rotaryBase !== null && !(Number.isFinite(rotaryBase) && rotaryBase > 0))
    fail(`rotaryBase is ${rotaryBase}, neither a positive number nor null`);
  const [rows, takes] = matrix(q1, refuse);
  if (rows % heads !== 0) refuse(q1, `has shape ${shown(q1)}, whose rows do not divide into ${heads} heads`);
  if (rotaryBase !== null && (rows / heads) % 2 !== 0)
    refuse(q1, `a head has ${rows / heads} features, but a rotary embedding turns pairs of them`);
  for (const part of [k1, q2, k2, v]) {
    const [partRows, partTakes] = matrix(part, refuse);
    if (partRows !== rows || partTakes !== takes)
      refuse(part, `has shape ${shown(part)}, but "${q1.name}" has ${shown(q1)}`);
  }
  for (const [bias, owner] of [
    [layer.q1Bias, q1],
    [layer.k1Bias, k1],
    [layer.q2Bias, q2],
    [layer.k2Bias, k2],
    [layer.vBias, v],
  ] as const) {
    if (bias !== undefined) vector(bias, rows, owner, refuse);
  }
  const [out, joined] = matrix(o, refuse);
  if (joined !== rows) refuse(o, `has shape ${shown(o)} and takes ${joined} features, but the heads give ${rows}`);
  if (oBias !== undefined) vector(oBias, out, o, refuse);
  checkResidual(layer, takes, out, o, refuse);
  return { takes, gives: { width: out, name: o.name }, widest: q1 };
}

interface Residual {
  readonly alpha: number;
  readonly beta: number;
}

function checkFactors({ alpha, beta }: Residual, fail: Fail): void {
  for (const [factor, value] of Object.entries({ alpha, beta }))
    if (!Number.isFinite(value)) fail(`${factor} is ${value}, not a finite number`);
}

function checkResidual({ alpha }: Residual, takes: number, gives: number, last: NamedShape, refuse: Refuse): void {
  if (alpha !== 0 && gives !== takes)
    refuse(last, `a residual needs as many outputs as inputs, but the block takes ${takes} and gives ${gives}`);
}

function matrix(part: NamedShape, refuse: Refuse): [rows: number, columns: number] {
  const [rows, columns] = part.shape;
  if (rows === undefined || columns === undefined || part.shape.length !== 2)
    return refuse(part, `has shape ${shown(part)}, but a weight has two axes, (outputs, inputs)`);
  if (rows === 0 || columns === 0) refuse(part, `has shape ${shown(part)} and so no elements`);
  return [rows, columns];
}

function vector(part: NamedShape, length: number, owner: NamedShape, refuse: Refuse): void {
  if (part.shape.length !== 1 || part.shape[0] !== length)
    refuse(part, `has shape ${shown(part)}, but the bias of "${owner.name}" ${shown(owner)} must be [${length}]`);
}

function inputsOf(layer: LayerOf<NamedShape>): number {
  const widest = layer.type === 'linear' ? layer.weight : layer.type === 'bilinear' ? layer.left : layer.q1;
  return widest.shape[1] ?? 0;
}

const shown = ({ shape }: NamedShape): string => `[${shape.join(', ')}]`;
const features = (count: number): string => `${count} ${count === 1 ? 'feature' : 'features'}`;
const place = (file: string | undefined): { file?: string } => (file === undefined ? {} : { file });
