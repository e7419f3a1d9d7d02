import { TensimError } from '../../../errors.js';
import { type ActivationName, activationNamed } from '../../../layers/activations.js';
import { quoted } from '../../../words/names.js';
import { quote } from '../../../words/quoting.js';
import type { Tensors } from '../../blueprint.js';
import type { Norm, Piece } from '../network.js';
import { extentOf } from '../pieces.js';
import type { BlockSettings, NormKind } from '../settings.js';
import { type Layout, type Naming, PLAIN } from './layout.js';
import type { Names, View } from './view.js';

/** What everything that is found in a network is found with: its layout, its tensors, and what is said of it. */
export class Scope {
  readonly layout: Layout;
  readonly tensors: Tensors;
  readonly settings: BlockSettings;
  /** What belongs to no layer. */
  readonly outside: View;
  /** Of the residual stream. */
  readonly width: number;
  readonly #naming: Naming;

  constructor(layout: Layout, tensors: Tensors, settings: BlockSettings, outside: View, width: number) {
    this.layout = layout;
    this.tensors = tensors;
    this.settings = settings;
    this.outside = outside;
    this.width = width;
    this.#naming = layout.naming ?? PLAIN;
  }

  weights(modules: Names): Names {
    return modules.flatMap(this.#naming.weight);
  }

  biases(modules: Names): Names {
    return modules.flatMap(this.#naming.bias);
  }

  /** Of norms. */
  gains(modules: Names): Names {
    return modules.flatMap(this.#naming.gain);
  }

  /** Whether a layer has one of these modules. */
  has(view: View, modules: Names | undefined): boolean {
    return modules !== undefined && view.find(this.weights(modules)) !== undefined;
  }

  /** A matrix that must be there, and its bias. */
  linear(view: View, modules: Names, about: Omit<Piece, 'tensor'>): [weight: Piece, bias: Piece | undefined] {
    const { transposed: _, perHead, ...own } = about;
    // Those of heads apart are (heads, width).
    const ofHeads = perHead === undefined ? {} : ({ vector: true } as const);
    return [view.required(this.weights(modules), about), view.optional(this.biases(modules), { ...own, ...ofHeads })];
  }

  /** The first of these norms that is there. */
  norm(view: View, modules: Names): Norm | undefined {
    const gain = view.optional(this.gains(modules));
    const bias = view.optional(modules.flatMap(this.#naming.shift));
    if (gain === undefined) return undefined;
    const fromOne = this.layout.fromOne?.(this.settings, view) === true;
    return {
      kind: bias === undefined ? this.normKind : 'layer',
      gain,
      ...(fromOne && { fromOne }),
      ...(bias && { bias }),
    };
  }

  /** Of norms without a bias. */
  get normKind(): 'rms' | 'layer' {
    const { norm } = this.layout;
    return typeof norm === 'function' ? norm(this.settings) : norm;
  }

  /**
   * Which norms stand before blocks, where no tensor is of any.
   * @throws TensimError `INVALID_FILE` where nobody says it
   */
  bareNorm(): NormKind {
    const { bareNorm, name } = this.layout;
    const told = this.settings.normKind();
    const found = told ?? bareNorm?.(this.settings);
    if (found === undefined)
      throw new TensimError('INVALID_FILE', 'does not say whether norms without weights stand before its blocks', {
        file: this.settings.file,
        hint: `Put its config.json beside it, or say it: --config '{"norm": "none"}', or "layer", or "rms"`,
      });
    this.settings.assume('norm', found, name);
    return found;
  }

  /** @throws TensimError `INVALID_FILE` where nobody says it, or it is not known */
  activation(layer: View): ActivationName {
    const { activation, name } = this.layout;
    const told = this.settings.text('activation');
    const named = told === undefined ? undefined : activationNamed(told);
    if (told !== undefined && named === undefined)
      throw new TensimError('INVALID_FILE', `says the activation ${quote(told)}, which is not known`, {
        file: this.settings.file,
      });
    const found = named ?? (typeof activation === 'function' ? activation(this.settings, layer) : activation);
    if (found === undefined)
      throw new TensimError('INVALID_FILE', `does not say the activation of its MLPs, which ${name} does not fix`, {
        file: this.settings.file,
        hint: 'Put its config.json beside it, or say it: --activation gelu_tanh, option config.activation',
      });
    this.settings.assume('activation', found, name);
    return found;
  }

  /** @throws TensimError `SHAPE_MISMATCH` for a tensor that is there and of other sizes */
  check(piece: Piece, outputs: number, inputs: number): void {
    const tensor = this.tensors.get(piece.tensor);
    if (tensor === undefined) return;
    const extent = extentOf(piece, tensor);
    if (extent?.[0] === outputs && extent[1] === inputs) return;
    throw new TensimError(
      'SHAPE_MISMATCH',
      `has the shape [${tensor.shape.join(', ')}], of which [${outputs}, ${inputs}] cannot be taken`,
      {
        file: this.settings.file,
        tensor: tensor.name,
        hint: `The settings are ${quoted([...this.settings.told.keys()])}`,
      },
    );
  }
}
