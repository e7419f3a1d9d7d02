import { TensimError } from '../../../errors.js';
import { type ActivationName, activationNamed } from '../../../layers/activations.js';
import { quoted } from '../../../words/names.js';
import { quote } from '../../../words/quoting.js';
import type { Tensors } from '../../blueprint.js';
import type { Attention, BlockNetwork, LayerBlocks, Mlp, Norm, Piece } from '../network.js';
import { extentOf } from '../pieces.js';
import type { BlockSettings } from '../settings.js';
import { type Layout, type Naming, PLAIN } from './layout.js';
import type { Geometry } from './packing.js';
import { rotationOf } from './rotation.js';
import { type Names, splitLayers, type View } from './view.js';

/** Whether a network's names are those of a layout. */
export function fits({ layer, signs, naming = PLAIN }: Layout, tensors: Tensors): boolean {
  const sought = signs.flatMap((sign) => [naming.weight(sign), naming.bias(sign)]);
  for (const name of tensors.keys()) {
    const within = layer.exec(name)?.[2];
    if (within !== undefined && sought.includes(within)) return true;
  }
  return false;
}

/**
 * The blocks of a network whose names are those of a layout.
 * @throws TensimError `INVALID_FILE` for tensors that are missing, by their names, and for what nobody says that must be
 * said; `SHAPE_MISMATCH` for shapes that do not fit what is said
 */
export function networkOf(layout: Layout, tensors: Tensors, settings: BlockSettings): BlockNetwork {
  const { layers, outside } = splitLayers(tensors, layout.layer);
  const { naming = PLAIN } = layout;
  const weights = (names: Names) => names.map(naming.weight);
  const embedding = outside.optional(weights(layout.embedding));
  const build = new Building(layout, tensors, settings, widthOf(layout, tensors, layers, embedding));
  const found = [...layers].map(([number, view]) => build.layer(number, view));
  const missing = [...layers].flatMap(([number, view]) => view.missing.map((name) => `${name} (layer ${number})`));
  if (missing.length > 0)
    throw new TensimError('INVALID_FILE', `is a transformer as ${layout.name} names it, without ${quoted(missing)}`, {
      file: settings.file,
      hint: 'The file is a part of a model, or was cut: get all of its files',
    });
  const finalNorm = build.norm(outside, layout.finalNorm);
  const unembedding = outside.optional(weights(layout.unembedding), layout.headsApart && { transposed: true });
  return {
    layout: layout.name,
    width: build.width,
    layers: found,
    ...(embedding && { embedding }),
    ...(finalNorm && { finalNorm }),
    ...(unembedding && { unembedding }),
    others: outside.rest,
  };
}

/** d: what the embedding has in a row, or what the first layer's norm has, or its MLP gives. */
function widthOf(layout: Layout, tensors: Tensors, layers: ReadonlyMap<number, View>, embedding?: Piece): number {
  const own = embedding && extentOf(embedding, tensors.get(embedding.tensor)!)?.[1];
  if (own !== undefined) return own;
  const { naming = PLAIN } = layout;
  for (const view of layers.values()) {
    const norm = view.find([...layout.attentionNorm, ...layout.mlpNorm].map(naming.gain));
    if (norm !== undefined) return view.shape(norm)[0];
    const output = view.find([...layout.attention.output, ...layout.mlp.down].map(naming.weight));
    if (output !== undefined) return view.shape(output).at(layout.headsApart ? -1 : 0)!;
  }
  return 0;
}

class Building {
  readonly width: number;
  readonly #layout: Layout;
  readonly #naming: Naming;
  readonly #tensors: Tensors;
  readonly #settings: BlockSettings;

  constructor(layout: Layout, tensors: Tensors, settings: BlockSettings, width: number) {
    this.#layout = layout;
    this.#naming = layout.naming ?? PLAIN;
    this.#tensors = tensors;
    this.#settings = settings;
    this.width = width;
  }

  layer(number: number, view: View): LayerBlocks {
    const { attention, mlp } = this.#layout;
    const isTransposed = this.#layout.transposed?.(view) === true;
    const has = (names: Names | undefined) => names !== undefined && view.find(this.#weights(names)) !== undefined;
    const withAttention = [attention.query, attention.packed, attention.output].some(has);
    const withMlp = [mlp.gate, mlp.up, mlp.packed, mlp.down].some(has);
    const isBehind = this.#layout.normsBehind?.(view) === true;
    const attentionNorm = isBehind ? undefined : this.norm(view, this.#layout.attentionNorm);
    const mlpNorm = isBehind ? undefined : this.norm(view, this.#layout.mlpNorm);
    return {
      number,
      ...(withAttention && { attention: this.#attention(number, view, isTransposed) }),
      ...(attentionNorm && { attentionNorm }),
      ...(withMlp && { mlp: this.#mlp(view, isTransposed) }),
      ...(mlpNorm && { mlpNorm }),
      others: view.rest,
    };
  }

  #weights(modules: Names): Names {
    return modules.map(this.#naming.weight);
  }

  #biases(modules: Names): Names {
    return modules.map(this.#naming.bias);
  }

  /** The first of these norms that is there. */
  norm(view: View, names: Names): Norm | undefined {
    const gain = view.optional(names.map(this.#naming.gain));
    if (gain === undefined) return undefined;
    const bias = view.optional(names.map(this.#naming.shift));
    const fromOne = this.#layout.fromOne?.(this.#settings) === true;
    return {
      kind: bias === undefined ? this.#layout.norm : 'layer',
      gain,
      ...(fromOne && { fromOne }),
      ...(bias && { bias }),
    };
  }

  #attention(number: number, view: View, transposed: boolean): Attention {
    const { query, key, value, packed, output, queryNorm, keyNorm } = this.#layout.attention;
    const about = transposed ? ({ transposed } as const) : {};
    const geometry = this.#geometry(view, transposed);
    const normalised = [queryNorm, keyNorm].map((names) => names && this.norm(view, names)).some(Boolean);
    const outputs = view.required(this.#weights(output), about);
    const outputBias = view.optional(this.#biases(output));
    const shared = {
      ...geometry,
      output: outputs,
      ...(outputBias && { outputBias }),
      rotation: rotationOf(this.#layout, this.#settings, geometry.width, number),
      ...(normalised && { normalised: true as const }),
    };
    const inOne = packed && view.find(this.#weights(packed));
    const parts = (role: 'query' | 'key' | 'value', names: Names): [weight: Piece, bias: Piece | undefined] => {
      const apart = this.#layout.headsApart ? ({ perHead: true } as const) : about;
      if (inOne === undefined) return [view.required(this.#weights(names), apart), view.optional(this.#biases(names))];
      const rows = this.#layout.packing!(geometry, this.#settings)[role];
      return [
        view.required(this.#weights(packed!), { ...about, rows }),
        view.optional(this.#biases(packed!), { rows }),
      ];
    };
    const [queries, queryBias] = parts('query', query ?? packed!);
    const [keys, keyBias] = parts('key', key ?? packed!);
    const [values, valueBias] = parts('value', value ?? packed!);
    this.#check(queries, geometry.heads * geometry.width, this.width);
    this.#check(keys, geometry.groups * geometry.width, this.width);
    this.#check(values, geometry.groups * geometry.width, this.width);
    this.#check(outputs, this.width, geometry.heads * geometry.width);
    return {
      ...shared,
      ...{ query: queries, key: keys, value: values },
      ...(queryBias && { queryBias }),
      ...(keyBias && { keyBias }),
      ...(valueBias && { valueBias }),
    };
  }

  #geometry(view: View, transposed: boolean): Geometry {
    const { query, packed } = this.#layout.attention;
    const { key = [], output } = this.#layout.attention;
    if (this.#layout.headsApart) {
      const [of, shared] = [query ?? output, key].map((names) => view.find(this.#weights(names)));
      const shape = of === undefined ? [0, 0, 0] : view.shape(of);
      return { heads: shape[0], groups: shared === undefined ? shape[0] : view.shape(shared)[0], width: shape[2] };
    }
    const heads = this.#settings.heads();
    const groups = this.#settings.count('groups') ?? heads;
    const [own, all] = [query, packed].map((names) => names && view.find(this.#weights(names)));
    const told = this.#settings.count('headWidth');
    const rows = (name: string) => view.shape(name)[transposed ? 1 : 0];
    const parts = own !== undefined ? heads : heads + 2 * groups;
    const name = own ?? all;
    const width = told ?? (name === undefined ? this.width / heads : rows(name) / parts);
    if (Number.isSafeInteger(width) && Number.isSafeInteger(heads / groups)) return { heads, groups, width };
    throw new TensimError(
      'INVALID_FILE',
      `has ${name === undefined ? this.width : rows(name)} rows of attention, which are no ${heads} heads with ${groups} of keys and values`,
      { file: this.#settings.file, hint: 'Check the number of heads in its config.json, or given as config.heads' },
    );
  }

  #mlp(view: View, transposed: boolean): Mlp {
    const { gate, up, down, packed } = this.#layout.mlp;
    const about = transposed ? ({ transposed } as const) : {};
    const inOne = packed === undefined ? undefined : view.find(this.#weights(packed));
    const linear = (names: Names): [weight: Piece, bias: Piece | undefined] => [
      view.required(this.#weights(names), about),
      view.optional(this.#biases(names)),
    ];
    const half = (names: Names, which: 0 | 1): [weight: Piece, bias: Piece | undefined] => {
      const run = view.shape(inOne!)[0] / 2;
      const rows = { start: which * run, run, stride: run, count: 1 };
      return [view.required(this.#weights(names), { rows }), view.optional(this.#biases(names), { rows })];
    };
    const gated = inOne !== undefined || (gate !== undefined && view.find(this.#weights(gate)) !== undefined);
    const [gates, gateBias] = !gated ? [] : inOne === undefined ? linear(gate!) : half(packed!, 0);
    const [ups, upBias] = inOne === undefined ? linear(up) : half(packed!, 1);
    const [downs, downBias] = linear(down);
    return {
      activation: this.#activation(),
      ...(gates && { gate: gates }),
      ...(gateBias && { gateBias }),
      up: ups,
      ...(upBias && { upBias }),
      down: downs,
      ...(downBias && { downBias }),
    };
  }

  #activation(): ActivationName {
    const { activation, name } = this.#layout;
    const told = this.#settings.text('activation');
    const named = told === undefined ? undefined : activationNamed(told);
    if (told !== undefined && named === undefined)
      throw new TensimError('INVALID_FILE', `says the activation ${quote(told)}, which is not known`, {
        file: this.#settings.file,
      });
    const own = typeof activation === 'function' ? activation(this.#settings) : activation;
    const found = named ?? own;
    if (found !== undefined) return found;
    throw new TensimError('INVALID_FILE', `does not say the activation of its MLPs, which ${name} does not fix`, {
      file: this.#settings.file,
      hint: 'Put its config.json beside it, or say it: --activation gelu_tanh, option config.activation',
    });
  }

  /** @throws TensimError `SHAPE_MISMATCH` */
  #check(piece: Piece, outputs: number, inputs: number): void {
    const tensor = this.#tensors.get(piece.tensor);
    if (tensor === undefined) return;
    const extent = extentOf(piece, tensor);
    if (extent?.[0] === outputs && extent[1] === inputs) return;
    throw new TensimError(
      'SHAPE_MISMATCH',
      `has the shape [${tensor.shape.join(', ')}], of which [${outputs}, ${inputs}] cannot be taken`,
      {
        file: this.#settings.file,
        tensor: tensor.name,
        hint: `The settings are ${quoted([...this.#settings.told.keys()])}`,
      },
    );
  }
}
