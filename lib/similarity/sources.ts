import type { ChainMethod, ChainSource, FeatureSource, GramRoute, WhitenedLaw } from '../backend/backend.js';
import { TensimError } from '../errors.js';
import { contiguous } from '../model/contiguous.js';
import type { Model } from '../model/model.js';
import { blocksOf } from './route.js';

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
 * @throws TensimError `UNSUPPORTED_LAYER`, also for models whose blocks are of different kinds; `SHAPE_MISMATCH` if they differ in
 * positions, inputs or outputs, or under `tensor` in degree.
 */
export function checkComparable(models: readonly Model[], measure: 'gaussian' | 'tensor'): void {
  for (const model of models) checkSupported(model, measure);
  checkSameSizes(models);
  const [first, ...others] = models;
  for (const other of others) {
    if (measure === 'tensor') requireEqualDegree(first, other);
  }
  requireEqualKinds(models);
}

/** @throws TensimError `SHAPE_MISMATCH` if models differ in positions, inputs or outputs. */
export function checkSameSizes([first, ...others]: readonly Model[]): void {
  for (const other of others) {
    requireEqualSize(first, other, 'positions', (model) => model.inputShape[0]);
    requireEqualSize(first, other, 'inputs', (model) => model.inputShape[1]);
    requireEqualSize(first, other, 'outputs', (model) => model.outputShape[1]);
  }
}

/** The chains of models that `checkComparable` has let through, for one method and route; the slices are the outputs. */
export function chainSources(
  models: readonly Model[],
  method: ChainMethod,
  law: WhitenedLaw,
  route?: GramRoute,
): Sources {
  const source = ({ layers, inputShape: [positions, inputs] }: Model): ChainSource => {
    return { kind: 'chain', layers, inputs, positions, method, route, law };
  };
  return {
    sources: oncePerModel(models, source),
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

const KINDS = ['linear', 'bilinear', 'attention'];

function checkSupported(model: Model, measure: 'gaussian' | 'tensor'): void {
  const unknown = model.layers.find(({ type }) => !KINDS.includes(type));
  if (unknown !== undefined) {
    throw new TensimError('UNSUPPORTED_LAYER', `"${model.label}" has a layer of type ${JSON.stringify(unknown.type)}`, {
      hint: 'Chains of linear layers, bilinear blocks and quadratic attention can be compared',
    });
  }
  if (measure === 'tensor' && blocksOf(model).includes('attention')) {
    throw new TensimError(
      'UNSUPPORTED_LAYER',
      `"${model.label}" has attention, for which the measure "tensor" is not defined`,
      {
        hint: 'Use the measure "gaussian"',
      },
    );
  }
}

function requireEqualDegree(a: Model, b: Model): void {
  const [left, right] = [blocksOf(a).length, blocksOf(b).length];
  if (left === right) return;
  throw new TensimError(
    'SHAPE_MISMATCH',
    `"${a.label}" has ${left} bilinear ${left === 1 ? 'block' : 'blocks'} and "${b.label}" ${right}: their tensors differ in order`,
    { hint: 'The measure "gaussian" compares them as functions' },
  );
}

/** Chains are compared block by block, so a bilinear block can stand beside a bilinear block only, and attention beside attention. */
function requireEqualKinds(models: readonly Model[]): void {
  const longest = models.reduce((best, model) => (blocksOf(model).length > blocksOf(best).length ? model : best));
  const kinds = blocksOf(longest);
  for (const model of models) {
    const place = blocksOf(model).findIndex((kind, i) => kind !== kinds[i]);
    if (place === -1) continue;
    throw new TensimError(
      'UNSUPPORTED_LAYER',
      `block ${place + 1} is ${blocksOf(model)[place]} in "${model.label}" and ${kinds[place]} in "${longest.label}"`,
      { hint: 'Networks can be compared whose blocks are of the same kinds in the same order' },
    );
  }
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
