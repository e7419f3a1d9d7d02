import type { ChainMethod, ChainSource, GramRoute } from '../../backend/grams.js';
import { Pacer } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { undefinedUnder } from '../../layers/exact.js';
import type { FunctionMeasure } from '../../layers/kind.js';
import { blocksOf, degreeOf, nounOf, withLinear } from '../../layers/layer.js';
import { kindOf, layerKinds } from '../../layers/table.js';
import { contiguous } from '../../model/contiguous.js';
import type { Outline } from '../../model/reading/outline.js';
import { plural } from '../../words/counts.js';
import { listed } from '../../words/names.js';
import { valueText } from '../../words/quoting.js';
import { type LawOfInputs, underLaw } from '../law/onehot.js';
import type { Member } from '../members/members.js';
import { chainSource, featureSource, type ScaleSettings, type SourceInUnits } from '../scale/source.js';

/** What is compared: a source per model, and the names of the slices. */
export interface Sources {
  readonly names: readonly string[];
  /** Made when the model is about to be prepared, from its file if it lies in one. */
  of(member: Member): Promise<SourceInUnits>;
  /** The same as it is, and in units: for backends with `prepareCalm`. Absent for what they do not take. */
  readonly plain?: {
    of(member: Member): Promise<ChainSource>;
    inUnits(source: ChainSource): Promise<SourceInUnits>;
  };
}

/**
 * Makes sure that models can be compared as functions, before anything is computed.
 * @throws TensimError `UNSUPPORTED_LAYER`; `SHAPE_MISMATCH` if they differ in positions, inputs or outputs, or under
 * `tensor` in degree.
 */
export function checkComparable(models: readonly Outline[], measure: FunctionMeasure): void {
  for (const model of models) checkSupported(model, measure);
  checkSameSizes(models);
  const [first, ...others] = models;
  for (const other of others) {
    if (measure === 'tensor') requireEqualDegree(first, other);
  }
}

/** @throws TensimError `SHAPE_MISMATCH` if models differ in positions, inputs or outputs. */
export function checkSameSizes([first, ...others]: readonly Outline[]): void {
  for (const other of others) {
    requireEqualSize(first, other, 'positions', (model) => model.inputShape[0]);
    requireEqualSize(first, other, 'inputs', (model) => model.inputShape[1]);
    requireEqualSize(first, other, 'outputs', (model) => model.outputShape[1]);
  }
}

/**
 * The chains of models that `checkComparable` has let through, for one method and route; the slices are the outputs.
 */
export function chainSources(
  [first]: readonly Outline[],
  method: ChainMethod,
  law: LawOfInputs,
  route: GramRoute | undefined,
  { dtype, perOutput, degrees }: ScaleSettings & { readonly degrees?: boolean | undefined },
): Sources {
  // What a degree contributes is summed over the outputs, which must then share a unit.
  const settings = { dtype, perOutput: perOutput && degrees !== true };
  const [positions, inputs] = first.inputShape;
  const chainOf = underLaw(law);
  const plain: Sources['plain'] = {
    async of(member) {
      const { layers } = await member.load();
      const chain = await chainOf(withLinear(layers), new Pacer());
      return { kind: 'chain', ...chain, inputs, positions, method, route };
    },
    inUnits: (chain) => chainSource(chain, { method, route }, settings, new Pacer()),
  };
  return {
    names: outputNames(first),
    of: async (member) => plain.inUnits(await plain.of(member)),
    ...(method === 'one-block' && { plain }),
  };
}

/** What the outputs of a model are called in results. */
export function outputNames({ outputShape }: Outline): readonly string[] {
  return Array.from({ length: outputShape[1] }, (_, c) => String(c));
}

/**
 * The parameters of models as plain vectors, in the order of the models, or by name where they differ in it; the slices
 * are the tensors.
 * @throws TensimError `SHAPE_MISMATCH` naming a tensor that another model has not, or has in another shape.
 */
export function weightSources([first, ...others]: readonly Outline[], settings: ScaleSettings): Sources {
  const names = [...first.parameters.keys()];
  const alike = others.every(({ parameters }) => [...parameters.keys()].every((name, i) => name === names[i]));
  if (!alike) names.sort();
  return namedWeights([first, ...others], names, settings);
}

/**
 * The parameters of these names.
 * @throws TensimError `SHAPE_MISMATCH` as `weightSources`, also for a name that is not there.
 */
export function namedWeights(
  [first, ...others]: readonly Outline[],
  names: readonly string[],
  settings: ScaleSettings,
): Sources {
  for (const other of others) requireEqualParameters(first, other);
  const absent = names.find((name) => !first.parameters.has(name));
  if (absent !== undefined) {
    throw new TensimError('SHAPE_MISMATCH', `it is not in "${first.label}"`, { tensor: absent, hint: WEIGHTS_HINT });
  }
  return {
    names,
    async of(member) {
      const { parameters } = await member.load();
      const segments = names.map((name) => contiguous(parameters.get(name)!, name).data);
      return featureSource(segments, settings, new Pacer());
    },
  };
}

function checkSupported({ layers, label }: Outline, measure: FunctionMeasure): void {
  requireLayers({ layers, label });
  const unknown = layers.find(({ type }) => !layerKinds.has(type));
  if (unknown !== undefined) {
    const known = layerKinds.entries.map(({ words }) => words.plural);
    throw new TensimError('UNSUPPORTED_LAYER', `"${label}" has a layer of type ${valueText(unknown.type)}`, {
      hint: `Chains of ${listed(known, 'and')} can be compared`,
    });
  }
  const kind = undefinedUnder(measure, layers);
  if (kind !== undefined) {
    const reason = kind.methods.hidden === undefined ? '' : ', as activations have no tensors';
    throw new TensimError(
      'UNSUPPORTED_LAYER',
      `"${label}" has ${nounOf(kind)}, for which the measure "${measure}" is not defined${reason}`,
      {
        hint: 'Use the measure "gaussian"',
      },
    );
  }
}

/** @throws TensimError `UNSUPPORTED_LAYER` for a model of unknown layers. */
export function requireLayers({ layers, label }: Pick<Outline, 'layers' | 'label'>): void {
  if (layers.length > 0) return;
  throw new TensimError('UNSUPPORTED_LAYER', `"${label}" is of no known family: its layers are not known`, {
    hint: 'The measure "weights" compares its tensors',
  });
}

function requireEqualDegree(a: Outline, b: Outline): void {
  if (degreeOf(a.layers) === degreeOf(b.layers)) return;
  const [left, right] = [a, b].map(({ layers }) => blocksOf(layers));
  const { adjective } = kindOf([...left, ...right][0]).words;
  throw new TensimError(
    'SHAPE_MISMATCH',
    `"${a.label}" has ${left.length} ${adjective} ${plural(left.length, 'block')} and "${b.label}" ${right.length}: their tensors differ in order`,
    { hint: 'The measure "gaussian" compares them as functions' },
  );
}

/**
 * What keeps models from being compared block by block: there a block can stand beside one of the same kind only. Null:
 * nothing.
 */
export function unequalKinds(models: readonly Outline[]): TensimError | null {
  const kindsOf = ({ layers }: Outline) => blocksOf(layers).map(({ type }) => type);
  const longest = models.reduce((best, model) => (kindsOf(model).length > kindsOf(best).length ? model : best));
  const kinds = kindsOf(longest);
  for (const model of models) {
    const own = kindsOf(model);
    const place = own.findIndex((kind, i) => kind !== kinds[i]);
    if (place === -1) continue;
    return new TensimError(
      'UNSUPPORTED_LAYER',
      `block ${place + 1} is ${own[place]} in "${model.label}" and ${kinds[place]} in "${longest.label}"`,
      { hint: 'The method "sampled" compares networks of any layers' },
    );
  }
  return null;
}

function requireEqualSize(a: Outline, b: Outline, what: string, size: (model: Outline) => number): void {
  if (size(a) === size(b)) return;
  throw new TensimError(
    'SHAPE_MISMATCH',
    `"${a.label}" has ${size(a)} ${what}, "${b.label}" has ${size(b)}: they are not functions of the same kind`,
  );
}

function requireEqualParameters(a: Outline, b: Outline): void {
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

function missing(name: string, present: Outline, absent: Outline): TensimError {
  return new TensimError('SHAPE_MISMATCH', `it is in "${present.label}" but not in "${absent.label}"`, {
    tensor: name,
    hint: WEIGHTS_HINT,
  });
}
