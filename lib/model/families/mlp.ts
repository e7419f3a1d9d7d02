import type { Activated } from '../../layers/activations.js';
import type { HiddenOf, LayerOf } from '../../layers/layer.js';
import type { Place } from '../../layers/place.js';
import { NO_RESIDUAL } from '../../layers/residual.js';
import { count } from '../../words/counts.js';
import { quoted } from '../../words/names.js';
import type { Blueprint } from '../blueprint.js';
import type { ModelSettings } from '../settings.js';
import { isBatchNorm, type Norms, placesOf } from './batch_norms.js';
import type { Everyday } from './everyday.js';
import {
  biasAt,
  isLinear,
  type LinearModule,
  linearOf,
  type Module,
  matrixAt,
  modulesOf,
  ownPaths,
  type Part,
  type Rows,
  rowsOf,
  widthsOf,
} from './modules.js';
import { orderOf } from './order_of_layers.js';
import { noActivation, shown, untold } from './refusals.js';
import { tellingSign } from './signs.js';

/**
 * Linear layers in a row with an activation between any two, x ↦ W_n φ(… φ(W_1 x + b_1) …) + b_n: modules that are
 * numbered (`0`, `2`, `4` of a torch.nn.Sequential, `fc1`, `layers.0`, `dense_1` …) or called first and last (`input`,
 * `hidden`, `output`, `fc_out` …), with or without biases. φ is the setting `activation`. One layer alone is linear. Batch
 * norms may stand among them (batch_norms.ts).
 *
 * Matrices are read as rows of outputs or of inputs, as biases and neighbours tell, or else as who names them so has
 * them: `weight` of torch outputs, `kernel` of Keras inputs.
 */
export const mlp: Everyday = (tensors, settings) => {
  const modules = modulesOf(tensors);
  return modules.length === 0 ? undefined : chainOf(modules, settings);
};

const EMBEDDING = /emb|(?:^|[./])w[tp]e[./]/i;

/** The layers of modules that are a chain; undefined where their names or kinds say that they are none. */
export function chainOf(modules: readonly Module[], settings: ModelSettings): Blueprint | undefined {
  const vectors = modules.filter((module) => !isLinear(module));
  if (vectors.some((module) => !isVector(module))) return undefined;
  const linear = modules.filter(isLinear) as LinearModule[];
  if (linear.length === 0 || (linear.length === 1 && vectors.length > 0)) return undefined;
  // What is left of a larger network, an embedding or a part of an attention, is no model by itself.
  const isPart = ({ weight: { inFile } }: LinearModule) =>
    EMBEDDING.test(inFile) || tellingSign([inFile]) !== undefined;
  if (linear.length === 1 && isPart(linear[0])) return undefined;
  const paths = ownPaths(modules);
  if (modules.length > 1 && modules.some(({ path }, index) => isOneOfBlocks(path, paths[index]))) return undefined;
  const found = orderOf(paths.filter((_, index) => isLinear(modules[index])));
  if (found === undefined) return undefined;
  const { file } = settings;
  const layers = found.order.map((index) => linear[index]);
  const rows = rowsOfChain(layers, file);
  if (layers.length === 1) return { family: 'linear', positions: 1, layers: [linearOf(layers[0], rows)] };
  if (found.adjacent !== undefined) {
    const names = found.adjacent.map((index) => linear[index].weight.inFile);
    throw untold(
      file,
      `is a chain of ${count(layers.length)} linear layers, and by their numbers nothing stands between ${quoted(names)}, but something between others`,
    );
  }
  const [norms, others] = [vectors.filter(isBatchNorm), vectors.filter((module) => !isBatchNorm(module))];
  const slopes = others.length === 0 ? undefined : slopesBetween(modules, paths, layers, others, settings);
  const activation = activationOf(layers, rows, settings);
  const isIdentity = activation.activation === 'identity';
  const pathOf = (module: Module) => paths[modules.indexOf(module)];
  const places = placesOf(norms, { layers, pathOf, others, linear: isIdentity }, settings);
  const chain = layersOf(layers, rows, activation, { slopes, norms: places });
  return { family: isIdentity ? 'linear' : 'mlp', positions: 1, layers: chain };
}

/** Whether a number that all have in common counts blocks, which may have a residual around them: `0.fc1`, not `0.1`. */
function isOneOfBlocks(path: readonly string[], own: readonly string[]): boolean {
  const numbers = (parts: readonly string[]) => parts.filter((part) => NUMBER.test(part)).length;
  return numbers(path) > numbers(own) && !own.every((part) => NUMBER.test(part));
}

const NUMBER = /^\d+$/;

/** Scales, shifts and running means of one width. */
function isVector({ weight, bias, others }: Module): boolean {
  return [weight, bias, ...others].every((part) => part === undefined || part.shape.length < 2);
}

/**
 * How the matrices of a chain are read.
 * @throws TensimError where they do not fit, or fit both ways.
 */
function rowsOfChain(layers: readonly LinearModule[], file: string): Rows {
  const fits = (rows: Rows) => misfit(layers, rows) === undefined;
  const rows = rowsOf(layers, fits);
  if (rows === 'outputs' || rows === 'inputs') return rows;
  const names = `is called a chain of ${count(layers.length)} linear layers`;
  if (rows === 'either')
    throw untold(
      file,
      `${names}, but nothing tells whether a row of ${shown(layers[0].weight)} is an output or an input`,
    );
  const at = misfit(layers, layers[0].convention === 'inputs' ? 'inputs' : 'outputs') as number;
  const between = at === 0 ? layers.slice(0, 1) : layers.slice(at - 1, at + 1);
  const parts = between.flatMap(({ weight, bias }) => [weight, ...(bias === undefined ? [] : [bias])]);
  throw untold(file, `${names}, but their shapes do not fit: ${parts.map(shown).join(', ')}`);
}

/** The first layer that does not take what the one before it gives, or whose bias does not fit. */
function misfit(layers: readonly LinearModule[], rows: Rows): number | undefined {
  const widths = layers.map((layer) => widthsOf(layer, rows));
  const at = widths.findIndex((own, i) => own === undefined || (i > 0 && widths[i - 1]?.[1] !== own[0]));
  return at < 0 ? undefined : at;
}

function activationOf(layers: readonly LinearModule[], rows: Rows, settings: ModelSettings): Activated {
  const activation = settings.activation();
  if (activation !== undefined) return activation;
  const widths = layers.map((layer) => widthsOf(layer, rows) as [number, number]);
  const chain = [widths[0][0], ...widths.map(([, gives]) => gives)].join(' → ');
  throw noActivation(settings.file, `is a chain of ${count(layers.length)} linear layers, ${chain}`);
}

/**
 * The slopes behind each layer but the last, of a network with `prelu`, by the numbers of the modules.
 * @throws TensimError for vectors that are no slopes, such as those of other normalisations than batch norms.
 */
function slopesBetween(
  modules: readonly Module[],
  paths: readonly (readonly string[])[],
  layers: readonly LinearModule[],
  vectors: readonly Module[],
  settings: ModelSettings,
): Part[] {
  const { file } = settings;
  const [part] = vectors
    .flatMap(({ weight, bias, others }) => [weight, bias, ...others])
    .filter((one) => one !== undefined);
  const bare = vectors.every(({ weight, bias, others }) => weight !== undefined && !bias && others.length === 0);
  if (settings.activation()?.activation !== 'prelu' || !bare) {
    const sign = tellingSign([part.inFile]);
    throw untold(
      file,
      `is a chain of ${count(layers.length)} linear layers with more beside them: ${sign ?? shown(part)}`,
      `leave out what the network does not need (--ignore ${quoted([part.inFile])}, option "ignore")`,
    );
  }
  const number = (module: Module) => Number(paths[modules.indexOf(module)].at(-1));
  const between = layers.slice(1).map((next, index) => {
    const [from, to] = [number(layers[index]), number(next)];
    const within = vectors.filter((module) => from < number(module) && number(module) < to);
    return within.length === 1 ? within[0].weight : undefined;
  });
  if (vectors.length > between.length || !between.every((slopes) => slopes !== undefined))
    throw untold(file, `has slopes of "prelu", ${shown(part)}, of which it is not told where they stand`);
  return between;
}

/** What stands between the linear layers. */
interface Between {
  readonly slopes: readonly Part[] | undefined;
  readonly norms: Norms;
}

function layersOf(
  layers: readonly LinearModule[],
  rows: Rows,
  activation: Activated,
  { slopes, norms }: Between,
): LayerOf<Place>[] {
  const isIdentity = activation.activation === 'identity';
  const front = norms.get(-1)?.before;
  const chain: LayerOf<Place>[] = front === undefined ? [] : [front];
  for (const [index, layer] of layers.entries()) {
    const { before, after } = norms.get(index) ?? {};
    const own = { ...(slopes?.[index] && { slopes: { tensor: slopes[index].name } }) };
    const isLast = index === layers.length - 1;
    const ahead = chain.at(-1);
    // The last layer is the D of the hidden one in front of it, if nothing stands between.
    if (isLast && before === undefined && ahead?.type === 'hidden')
      chain.push({ ...(chain.pop() as HiddenOf<Place>), down: matrixAt(layer, rows), ...biasAt('downBias', layer) });
    else if (isLast || isIdentity || before !== undefined) chain.push(linearOf(layer, rows));
    else
      chain.push({
        type: 'hidden',
        weight: matrixAt(layer, rows),
        ...biasAt('bias', layer),
        ...own,
        ...activation,
        ...NO_RESIDUAL,
      });
    if (before !== undefined) {
      chain.push(before);
      const width = widthsOf(layer, rows)![1];
      if (!isLast && !isIdentity) chain.push({ type: 'activation', width, ...own, ...activation });
    }
    if (after !== undefined) chain.push(after);
  }
  return chain;
}
