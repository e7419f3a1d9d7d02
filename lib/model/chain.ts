import { TensimError } from '../errors.js';
import type { BilinearOf, LayerOf, LinearOf } from './layer.js';

/** A part of a layer by its name (of the tensor in its file, or of its role) and its shape. */
export interface NamedShape {
  readonly name: string;
  readonly shape: readonly number[];
}

/** What a chain of layers maps to what. */
export interface ChainInfo {
  readonly inputs: number;
  readonly outputs: number;
  /** Polynomial degree of the output in the input: 2 to the number of bilinear blocks. */
  readonly degree: number;
}

/** Reports a part that does not fit; `place` names the file, if there is one. */
type Refuse = (part: NamedShape, problem: string) => never;

/**
 * Checks that the parts of every layer fit each other and every layer takes what the one before it gives. It needs shapes
 * only, so that a checkpoint is judged by its header before any weight is read.
 * @throws TensimError `SHAPE_MISMATCH` naming the layer (counted from 1) and the tensors; `INVALID_ARGUMENT` for an empty
 * chain or a residual factor that is not a finite number.
 */
export function checkChain(layers: readonly LayerOf<NamedShape>[], file?: string): ChainInfo {
  const first = layers[0];
  if (first === undefined) throw new TensimError('INVALID_ARGUMENT', 'a model needs at least one layer', place(file));
  const inputs = inputsOf(first);
  let width = inputs;
  let before = '';
  let blocks = 0;
  for (const [index, layer] of layers.entries()) {
    const title = `layer ${index + 1} (${layer.type})`;
    const refuse: Refuse = (part, problem) => {
      throw new TensimError('SHAPE_MISMATCH', `${title}: ${problem}`, { ...place(file), tensor: part.name });
    };
    const { takes, gives, widest } =
      layer.type === 'linear' ? checkLinear(layer, refuse) : checkBilinear(layer, title, refuse, file);
    if (takes !== width)
      refuse(widest, `takes ${features(takes)}, but layer ${index} (tensor "${before}") gives ${width}`);
    if (layer.type === 'bilinear') blocks++;
    width = gives.width;
    before = gives.name;
  }
  return { inputs, outputs: width, degree: 2 ** blocks };
}

interface Checked {
  readonly takes: number;
  readonly gives: { readonly width: number; readonly name: string };
  /** The part that shows how many features the layer takes. */
  readonly widest: NamedShape;
}

function checkLinear({ weight, bias }: LinearOf<NamedShape>, refuse: Refuse): Checked {
  const [out, takes] = matrix(weight, refuse);
  if (bias !== undefined) vector(bias, out, weight, refuse);
  return { takes, gives: { width: out, name: weight.name }, widest: weight };
}

function checkBilinear(layer: BilinearOf<NamedShape>, title: string, refuse: Refuse, file?: string): Checked {
  const { left, right, down, leftBias, rightBias, downBias, alpha, beta } = layer;
  for (const [factor, value] of Object.entries({ alpha, beta })) {
    if (!Number.isFinite(value)) {
      throw new TensimError('INVALID_ARGUMENT', `${title}: ${factor} is ${value}, not a finite number`, place(file));
    }
  }
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
  if (alpha !== 0 && out !== takes)
    refuse(last, `a residual needs as many outputs as inputs, but the block takes ${takes} and gives ${out}`);
  return { takes, gives: { width: out, name: last.name }, widest: left };
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
  return (layer.type === 'linear' ? layer.weight : layer.left).shape[1] ?? 0;
}

const shown = ({ shape }: NamedShape): string => `[${shape.join(', ')}]`;
const features = (count: number): string => `${count} ${count === 1 ? 'feature' : 'features'}`;
const place = (file: string | undefined): { file?: string } => (file === undefined ? {} : { file });
