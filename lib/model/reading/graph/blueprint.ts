import { TensimError } from '../../../errors.js';
import type { Graph, GraphNode } from '../../../formats/onnx/graph.js';
import type { Activated } from '../../../layers/activations.js';
import type { LayerOf, LinearOf } from '../../../layers/layer.js';
import type { Place } from '../../../layers/place.js';
import { sizeOf } from '../../../tensor/tensor.js';
import { quoted } from '../../../words/names.js';
import { quote } from '../../../words/quoting.js';
import type { Blueprint, Tensors } from '../../blueprint.js';
import { activationOfNode } from './activations.js';
import { affine, Constants, gemm, type Known, matMul } from './linear.js';
import { featuresOf, inputShape, type Shape } from './shapes.js';
import { shapeBehind } from './views.js';

/** A diagonal of more would be a matrix of 128 MiB. */
const MOST_DIAGONAL = 4096;

/**
 * The layers of a graph that is a chain: every value goes into one node, and every node is a layer, or leaves the
 * features as they are and in their order.
 * @param tensors of the file, by name
 * @throws TensimError `UNSUPPORTED_LAYER` naming the first node that is none of these; `SHAPE_MISMATCH`
 */
export function blueprintOf(graph: Graph, tensors: Tensors, file: string): Blueprint {
  const [input, ...others] = graph.inputs;
  const fail = (problem: string, hint: string) => new TensimError('UNSUPPORTED_LAYER', problem, { file, hint });
  if (input === undefined || others.length > 0) {
    const given = graph.inputs.map(({ name }) => name);
    throw fail(
      given.length === 0 ? 'its graph takes no input' : `its graph takes ${given.length} inputs, ${quoted(given)}`,
      'Export the network with one input',
    );
  }
  const chain = new Chain(graph, tensors, file, input.name, input.shape);
  for (const node of graph.nodes) chain.take(node);
  if (!graph.outputs.includes(chain.value) || graph.outputs.length > 1)
    throw fail(
      `its graph gives ${quoted(graph.outputs)}, and the chain of its layers ends with ${quote(chain.value)}`,
      'Export the network with one output, that of its last layer',
    );
  if (chain.layers.length === 0) throw fail('its graph has no layers', 'Export the network with its weights');
  return { family: 'onnx', positions: 1, layers: chain.layers };
}

/** What has been made of the nodes so far. */
class Chain {
  readonly layers: LayerOf<Place>[] = [];
  /** The value that the next layer takes. */
  value: string;
  readonly #file: string;
  readonly #constants: Constants;
  #shape: Shape | undefined;
  /** Whether the last layer is a product of a matrix that could have a bias still. */
  #open = false;

  constructor(graph: Graph, tensors: Tensors, file: string, value: string, shape: Shape | undefined) {
    this.#constants = new Constants(graph, tensors);
    this.#file = file;
    this.value = value;
    this.#shape = shape && inputShape(shape);
  }

  take(node: GraphNode): void {
    const given = node.inputs.filter((name) => name !== '');
    if (node.op !== 'Constant' && node.domain !== '' && node.domain !== 'ai.onnx')
      throw this.#refused(node, `is an operation of ${quote(node.domain)}`);
    if (given.every((name) => this.#constants.has(name)) && this.#constants.fold(node)) return;
    const unread = given.map((name) => this.#constants.problemOf(name)).find((problem) => problem !== undefined);
    if (unread !== undefined) throw this.#refused(node, unread);
    if (this.#shape !== undefined && this.#constants.foldShape(node, this.value, this.#shape)) return;
    const strange = given.find((name) => name !== this.value && !this.#constants.has(name));
    if (strange !== undefined || given.filter((name) => name === this.value).length !== 1)
      throw this.#refused(
        node,
        given.includes(this.value)
          ? `takes ${quote(strange ?? this.value)} beside the layer before it: the network is no chain`
          : `takes ${quoted(given)}, not what the layer before it gives: the network is no chain`,
      );
    this.#layer(node);
    [this.value = ''] = node.outputs;
  }

  #layer(node: GraphNode): void {
    const at = node.inputs.indexOf(this.value);
    const constant = (input: number): Known | undefined => this.#constants.get(node.inputs[input] ?? '');
    const activation = activationOfNode(node, (input) => constant(input)?.values?.[0]);
    if (activation === 'unknown') throw this.#refused(node, 'has parameters that no activation known here has');
    if (activation !== undefined) this.#activate(node, activation, {});
    else if (node.op === 'PRelu') this.#parametric(node, at, constant(1));
    else if (node.op === 'MatMul' || node.op === 'Gemm') this.#product(node, at, constant(1 - at), constant(2));
    else if (['Add', 'Sub', 'Mul', 'Div'].includes(node.op)) this.#affine(node, at, constant(1 - at));
    else this.#view(node);
  }

  #parametric(node: GraphNode, at: number, slopes: Known | undefined): void {
    const width = this.#width(node);
    if (at !== 0 || slopes === undefined || ![1, width].includes(sizeOf(slopes.shape)))
      throw this.#refused(node, 'has no slope for every feature');
    const place: Place = { tensor: slopes.tensor, made: { as: 'vector', size: width, factor: 1, power: 1 } };
    this.#activate(node, { activation: 'prelu', slope: null }, { slopes: place });
  }

  #product(node: GraphNode, at: number, by: Known | undefined, added: Known | undefined): void {
    const found = node.op === 'MatMul' ? matMul(this.#shape, by, at) : gemm(node, this.#shape, by, at, added);
    if (found === undefined) throw this.#misfit(node, by);
    this.#linear(found.layer, found.shape, found.layer.bias === undefined);
  }

  #view(node: GraphNode): void {
    const numbers = (input: number) => this.#constants.numbersOf(node.inputs[input] ?? '');
    const behind = shapeBehind(node, this.#shape, numbers);
    if (behind === undefined) throw this.#refused(node, 'is no layer that is known here');
    if (behind === 'moved')
      throw this.#refused(node, `takes ${this.#shapeText()}, whose features would not stay in order`);
    this.#shape = behind.shape;
  }

  #linear(layer: LinearOf<Place>, shape: Shape, open: boolean): void {
    this.layers.push(layer);
    this.#shape = shape;
    this.#open = open;
  }

  #activate(node: GraphNode, activation: Activated, parts: { readonly slopes?: Place }): void {
    const last = this.layers.at(-1);
    this.#open = false;
    if (last?.type !== 'linear') {
      this.layers.push({ type: 'activation', width: this.#width(node), ...parts, ...activation });
      return;
    }
    this.layers.pop();
    this.layers.push({ ...(last as LinearOf<Place>), type: 'hidden', ...parts, ...activation, alpha: 0, beta: 1 });
  }

  #affine(node: GraphNode, at: number, constant: Known | undefined): void {
    const width = this.#width(node);
    const found = constant && affine(node, this.#shape as Shape, constant, at);
    if (constant === undefined || found === undefined) throw this.#misfit(node, constant);
    const { weight, bias, shape } = found;
    const last = this.layers.at(-1);
    if (this.#open && last?.type === 'linear' && bias !== undefined && weight.power === 0 && weight.factor === 1) {
      this.layers.pop();
      this.#linear({ ...(last as LinearOf<Place>), bias }, shape, false);
      return;
    }
    if (width > MOST_DIAGONAL)
      throw this.#refused(
        node,
        `is a layer of ${width} features by itself, of which at most ${MOST_DIAGONAL} are read`,
      );
    const { tensor } = constant;
    const diagonal: Place = { tensor, made: { as: 'diagonal', size: width, ...weight } };
    this.#linear({ type: 'linear', weight: diagonal, ...(bias && { bias }) }, shape, false);
  }

  /** Features of the value that a node takes. */
  #width(node: GraphNode): number {
    if (this.#shape !== undefined) return featuresOf(this.#shape);
    throw this.#refused(node, 'takes an input of which the file does not say the shape');
  }

  #shapeText(): string {
    return this.#shape === undefined ? 'an input' : `[${this.#shape.map((extent) => extent ?? '?').join(', ')}]`;
  }

  #misfit(node: GraphNode, constant: Known | undefined): TensimError {
    const by = constant === undefined ? 'no tensor' : `${quote(constant.tensor)} [${constant.shape.join(', ')}]`;
    return this.#refused(
      node,
      `takes ${this.#shapeText()} and ${by}, and makes no linear layer of all features of them`,
    );
  }

  #refused({ op, name, outputs: [output = ''] }: GraphNode, problem: string): TensimError {
    return new TensimError('UNSUPPORTED_LAYER', `its node ${quote(name === '' ? output : name)} (${op}) ${problem}`, {
      file: this.#file,
      hint: 'Read are chains of Gemm, MatMul, Add, Sub, Mul and Div by constants, activations, Flatten and Reshape: export that part of the network',
    });
  }
}
