import { TensimError } from '../errors.js';
import { branchesOf, type LayerOf, mapLayer, partsOf } from '../layers/layer.js';
import { MOST_NESTED } from '../layers/parallel.js';
import type { Residual } from '../layers/residual.js';
import { layerKinds } from '../layers/table.js';
import type { SparedFields } from '../layers/types.js';
import { sizeOf, type Tensor } from '../tensor/tensor.js';
import { listed } from '../words/names.js';
import { valueText } from '../words/quoting.js';
import { checkChain } from './chain.js';
import { contiguous } from './contiguous.js';
import { checkFinite } from './finite.js';
import type { Layer, Model, ParallelLayer, Provenance } from './model.js';

/**
 * A layer as given to `createModel`: a `Layer` in which `alpha` (default 0), `beta` (default 1), `slope` (default: that
 * of the activation) and what its kind says a default for may be left out.
 */
export type LayerDefinition = Definition<Exclude<Layer, ParallelLayer>> | ParallelDefinition;

/** A `ParallelLayer` whose layers may leave out what has a default, and itself `alpha` and `beta`, which are 1. */
export interface ParallelDefinition extends Partial<Residual> {
  /** Tells the kinds of layers apart. */
  readonly type: 'parallel';
  /** As in `ParallelLayer`. */
  readonly branches: readonly (readonly LayerDefinition[])[];
}

/** What may be left out of a layer. */
type Spared<Given> =
  | keyof Residual
  | 'slope'
  | (Given extends { readonly type: keyof SparedFields } ? SparedFields[Given['type']] : never);

/**
 * A layer that may leave out what has a default.
 * @inline
 */
type Definition<Given> = Given extends object
  ? Omit<Given, Spared<Given>> & Partial<Pick<Given, Extract<keyof Given, Spared<Given>>>>
  : never;

/** What `createModel` makes a model of. */
export interface ModelDefinition {
  /** From the input to the output; sizes must fit. */
  readonly layers: readonly LayerDefinition[];
  /** Positions of an input; default 1, a plain network. */
  readonly positions?: number | undefined;
  /** Default `'model'`. */
  readonly label?: string | undefined;
  /**
   * What the `weights` measure compares, by name. Default: the tensors of the layers, as `layers.0.weight`,
   * `layers.1.left` …
   */
  readonly parameters?: ReadonlyMap<string, Tensor> | undefined;
  /** Default `'custom'`. */
  readonly family?: string | undefined;
  /** Where it came from; default: nothing but empty metadata. */
  readonly provenance?: Provenance | undefined;
}

/**
 * A model from arrays: checked, strided tensors copied to contiguous ones (others are not copied, and must not change
 * as long as the model is used), deeply frozen.
 *
 *     // x ↦ D ((L x) ⊙ (R x)), two inputs, two hidden units, one output: x₀² + x₁²
 *     const identity = tensor([1, 0, 0, 1], [2, 2]);
 *     createModel({ layers: [{ type: 'bilinear', left: identity, right: identity, down: tensor([1, 1], [1, 2]) }] });
 *
 * @throws TensimError `SHAPE_MISMATCH` naming the layer (counted from 1) and the tensors that do not fit; `NOT_FINITE`
 * naming the tensor and the element; `UNSUPPORTED_LAYER` for an unknown layer type; `INVALID_ARGUMENT` for what is no
 * layer at all.
 */
export function createModel(definition: ModelDefinition): Model {
  if (!Array.isArray(definition?.layers))
    throw new TensimError('INVALID_ARGUMENT', 'createModel needs { layers: [...] }');
  if (definition.parameters !== undefined && !(definition.parameters instanceof Map))
    throw new TensimError('INVALID_ARGUMENT', 'parameters must be a Map of tensors by name');
  const names = new Map<Tensor, string>();
  for (const [name, given] of definition.parameters ?? []) names.set(given, name);
  // One frozen tensor per tensor given, so that what layers and parameters share stays shared.
  const kept = new Map<Tensor, Tensor>();
  const keep = (given: Tensor, name: string): Tensor => {
    const tensor = kept.get(given) ?? contiguous(given, name);
    if (!kept.has(given)) checkFinite(name, tensor, definition.provenance?.file);
    kept.set(given, tensor);
    return tensor;
  };
  const layers = definition.layers.map((layer, index) =>
    mapLayer(checkLayer(layer, `layer ${index + 1}`), (part, role) =>
      keep(part, names.get(part) ?? partName(index, role)),
    ),
  );
  const parameters =
    definition.parameters === undefined
      ? new Map(layers.flatMap(ownParameters))
      : new Map([...definition.parameters].map(([name, given]) => [name, keep(given, name)]));
  return assembleModel({ ...definition, layers, parameters });
}

/** The family of models whose layers are not known. */
const UNKNOWN = 'unknown';

/**
 * The model of layers and parameters that are contiguous and, as the caller has made sure, finite.
 * @throws TensimError `SHAPE_MISMATCH` as `createModel`.
 */
export function assembleModel(
  definition: Omit<ModelDefinition, 'layers' | 'parameters'> & {
    readonly layers: readonly LayerOf<Tensor>[];
    readonly parameters: ReadonlyMap<string, Tensor>;
  },
): Model {
  const { layers, parameters, provenance, positions = 1 } = definition;
  if (!Number.isSafeInteger(positions) || positions < 1)
    throw new TensimError('INVALID_ARGUMENT', `a model cannot have ${valueText(positions)} positions`);
  const names = new Map([...parameters].map(([name, part]) => [part, name]));
  const shapes = layers.map((layer, index) =>
    mapLayer(layer, (part, role) => ({ name: names.get(part) ?? partName(index, role), shape: part.shape })),
  );
  const isUnknown = layers.length === 0 && definition.family === UNKNOWN;
  const { inputs, outputs, degree } = isUnknown
    ? { inputs: 0, outputs: 0, degree: null }
    : checkChain(shapes, positions, provenance?.file);
  return Object.freeze({
    label: definition.label ?? 'model',
    family: definition.family ?? 'custom',
    layers: Object.freeze(layers.map(frozenLayer)),
    inputShape: Object.freeze([positions, inputs] as const),
    outputShape: Object.freeze([positions, outputs] as const),
    degree,
    parameters: frozenMap(parameters),
    parameterCount: [...parameters.values()].reduce((count, { shape }) => count + sizeOf(shape), 0),
    provenance: Object.freeze({ ...provenance, metadata: Object.freeze({ ...provenance?.metadata }) }),
  });
}

/**
 * The layer with its defaults filled in. A field that no layer has is refused: it may be a weight under a wrong name.
 */
function checkLayer(definition: LayerDefinition, title: string, depth = 0): LayerOf<Tensor> {
  if (typeof definition !== 'object' || definition === null)
    throw new TensimError('INVALID_ARGUMENT', `${title} is not an object`);
  // Each field is read once: what is checked is what the model is made of.
  const layer = { ...definition };
  const kind = layerKinds.find(layer.type);
  if (kind === undefined) {
    const types = layerKinds.types.map((type) => `"${type}"`);
    throw new TensimError('UNSUPPORTED_LAYER', `${title} has the type ${valueText(layer.type)}`, {
      hint: `A model is a chain of layers of type ${listed(types, 'and')}`,
    });
  }
  const { parts, defaults } = kind;
  const { required, optional, fields, branches } = parts;
  const given = fields.filter((field) => !Object.hasOwn(defaults, field));
  const values = layer as unknown as Readonly<Record<string, unknown>>;
  for (const role of [...required, ...given]) {
    if (!Object.hasOwn(layer, role) || (values[role] === undefined && required.includes(role)))
      throw new TensimError('INVALID_ARGUMENT', `${title} (${layer.type}) has no "${role}"`);
  }
  const known: string[] = ['type', ...required, ...optional, ...fields, ...(branches ? ['branches'] : [])];
  const unknown = Object.keys(layer).find((field) => !known.includes(field));
  if (unknown !== undefined) {
    throw new TensimError('INVALID_ARGUMENT', `${title} (${layer.type}) has an unknown field "${unknown}"`, {
      hint: `It may have ${known.join(', ')}`,
    });
  }
  const filled = Object.entries(defaults).map(([field, value]) => [field, values[field] ?? value]);
  const inside = branches && checkBranches(values.branches, `${title} (${layer.type})`, depth);
  return { ...layer, ...Object.fromEntries(filled), ...(inside && { branches: inside }) } as LayerOf<Tensor>;
}

function checkBranches(branches: unknown, title: string, depth: number): LayerOf<Tensor>[][] {
  if (depth >= MOST_NESTED)
    throw new TensimError(
      'INVALID_ARGUMENT',
      `${title} is within ${depth} others, and ${MOST_NESTED} in all are the most`,
    );
  if (!Array.isArray(branches) || !branches.every((branch) => Array.isArray(branch)))
    throw new TensimError('INVALID_ARGUMENT', `${title} needs { branches: [[...], ...] }, lists of layers`);
  return branches.map((branch: readonly LayerDefinition[], b) =>
    branch.map((layer, i) => checkLayer(layer, `${title}, branch ${b + 1}, layer ${i + 1}`, depth + 1)),
  );
}

function frozenLayer(layer: LayerOf<Tensor>): Layer {
  for (const branch of branchesOf(layer)) Object.freeze(branch).forEach(frozenLayer);
  Object.freeze(branchesOf(layer));
  return Object.freeze(layer);
}

const partName = (index: number, role: string): string => `layers.${index}.${role}`;

const ownParameters = (layer: LayerOf<Tensor>, index: number): [string, Tensor][] =>
  partsOf(layer).map(([role, part]) => [partName(index, role), part]);

/** `Object.freeze` does not reach the entries of a map, so its three ways to change are taken away. */
function frozenMap<K, V>(entries: ReadonlyMap<K, V>): ReadonlyMap<K, V> {
  const refuse = () => {
    throw new TypeError('the parameters of a model cannot be changed');
  };
  const map = new Map(entries);
  Object.defineProperties(map, { set: { value: refuse }, delete: { value: refuse }, clear: { value: refuse } });
  return Object.freeze(map);
}
