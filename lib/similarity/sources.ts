import type { ChainSource, FeatureSource, WhitenedLaw } from '../backend/backend.js';
import { TensimError } from '../errors.js';
import { contiguous } from '../model/contiguous.js';
import type { Model } from '../model/model.js';

/** What is compared: one source per model (the same object for the same model), and the names of the slices. */
export interface Sources {
  readonly sources: readonly (ChainSource | FeatureSource)[];
  readonly names: readonly string[];
}

/** @throws TensimError `INVALID_ARGUMENT` for what is no model, such as a path. */
export function checkModels(models: readonly Model[]): void {
  for (const model of models as readonly unknown[]) {
    if (typeof model === 'object' && model !== null && 'layers' in model && 'parameters' in model) continue;
    throw new TensimError('INVALID_ARGUMENT', `${JSON.stringify(model) ?? String(model)} is not a model`, {
      hint: 'Use loadModel for a file and createModel for arrays',
    });
  }
}

/**
 * Makes sure that models can be compared as functions, before anything is computed.
 * @throws TensimError `UNSUPPORTED_LAYER`, or `SHAPE_MISMATCH` if they differ in inputs or outputs, or under `tensor` in degree.
 */
export function checkComparable(models: readonly Model[], measure: 'gaussian' | 'tensor'): void {
  for (const model of models) checkSupported(model);
  checkSameSizes(models);
  const [first, ...others] = models;
  for (const other of others) {
    if (measure === 'tensor' && blocksOf(first) !== blocksOf(other)) {
      const [linear, quadratic] = blocksOf(first) === 0 ? [first, other] : [other, first];
      throw new TensimError(
        'SHAPE_MISMATCH',
        `"${linear.label}" is linear and "${quadratic.label}" has a bilinear block: their tensors differ in order`,
        { hint: 'The measure "gaussian" compares them as functions' },
      );
    }
  }
}

/** @throws TensimError `SHAPE_MISMATCH` if models differ in positions, inputs or outputs. */
export function checkSameSizes([first, ...others]: readonly Model[]): void {
  for (const other of others) {
    requireEqualSize(first, other, 'positions', (model) => model.inputShape[0]);
    requireEqualSize(first, other, 'inputs', (model) => model.inputShape[1]);
    requireEqualSize(first, other, 'outputs', (model) => model.outputShape[1]);
  }
}

/** The chains of models that `checkComparable` has let through; the slices are the outputs. */
export function chainSources(models: readonly Model[], law: WhitenedLaw): Sources {
  return {
    sources: oncePerModel(models, ({ layers, inputShape }) => ({ kind: 'chain', layers, inputs: inputShape[1], law })),
    names: Array.from({ length: models[0].outputShape[1] }, (_, c) => String(c)),
  };
}

/**
 * The parameters of models as plain vectors, in the order of the first model; the slices are the tensors.
 * @throws TensimError `SHAPE_MISMATCH` naming a tensor that another model has not, or has in another shape.
 */
export function weightSources(models: readonly Model[]): Sources {
  const [first, ...others] = models;
  for (const other of others) requireEqualParameters(first, other);
  const names = [...first.parameters.keys()];
  return {
    sources: oncePerModel(models, ({ parameters }) => ({
      kind: 'features',
      segments: names.map((name) => contiguous(parameters.get(name)!, name).data),
    })),
    names,
  };
}

function oncePerModel<Source>(models: readonly Model[], make: (model: Model) => Source): readonly Source[] {
  const made = new Map(models.map((model) => [model, make(model)]));
  return models.map((model) => made.get(model)!);
}

function checkSupported(model: Model): void {
  if (model.inputShape[0] !== 1 || model.outputShape[0] !== 1) {
    throw new TensimError('UNSUPPORTED_LAYER', `"${model.label}" has more than one position`, {
      hint: 'Only networks of plain vectors can be compared by this measure',
    });
  }
  for (const layer of model.layers as readonly { readonly type: string }[]) {
    if (layer.type === 'linear' || layer.type === 'bilinear') continue;
    throw new TensimError('UNSUPPORTED_LAYER', `"${model.label}" has a layer of type ${JSON.stringify(layer.type)}`, {
      hint: 'Chains of linear layers and bilinear blocks can be compared',
    });
  }
  if (blocksOf(model) > 1) {
    throw new TensimError('UNSUPPORTED_LAYER', `"${model.label}" has ${blocksOf(model)} bilinear blocks`, {
      hint: 'Chains with more than one block are not supported yet',
    });
  }
}

function blocksOf(model: Model): number {
  return model.layers.filter((layer) => layer.type === 'bilinear').length;
}

function requireEqualSize(a: Model, b: Model, what: string, size: (model: Model) => number): void {
  if (size(a) === size(b)) return;
  throw new TensimError(
    'SHAPE_MISMATCH',
    `"${a.label}" has ${size(a)} ${what}, "${b.label}" has ${size(b)}: they are not functions of the same kind`,
  );
}

function requireEqualParameters(a: Model, b: Model): void {
  for (const [name, tensor] of a.parameters) {
    const other = b.parameters.get(name);
    if (other === undefined) throw missing(name, a, b);
    if (tensor.shape.length === other.shape.length && tensor.shape.every((size, i) => size === other.shape[i]))
      continue;
    throw new TensimError(
      'SHAPE_MISMATCH',
      `the shape is [${tensor.shape.join(', ')}] in "${a.label}" and [${other.shape.join(', ')}] in "${b.label}"`,
      { tensor: name, hint: WEIGHTS_HINT },
    );
  }
  for (const name of b.parameters.keys()) if (!a.parameters.has(name)) throw missing(name, b, a);
}

const WEIGHTS_HINT = 'The measure "weights" needs equal architectures; "gaussian" compares functions';

function missing(name: string, present: Model, absent: Model): TensimError {
  return new TensimError('SHAPE_MISMATCH', `it is in "${present.label}" but not in "${absent.label}"`, {
    tensor: name,
    hint: WEIGHTS_HINT,
  });
}
