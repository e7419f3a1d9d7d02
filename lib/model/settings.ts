import { TensimError } from '../errors.js';
import type { Activated } from '../layers/activations.js';
import { type Found, type Setting, SettingLookup, type SettingSources } from './setting_lookup.js';
import {
  type NormKind,
  naturalNumber,
  normKind,
  number,
  oneOf,
  positive,
  positiveInteger,
  type Type,
  truth,
} from './setting_types.js';
import { ACTIVATION_IN_WORDS, statedActivation, statedGate } from './stated_activation.js';

export { type ConfigFile, parseObject, type Setting, type SettingSources } from './setting_lookup.js';

/**
 * What the tensors of a checkpoint do not tell: given to `loadModel`, or found in the metadata or in a config.json
 * beside the file.
 */
export interface ModelConfig {
  /** Heads of every attention layer: `n_head`. */
  readonly heads?: number | undefined;
  /** Positions of an input: `n_ctx`. */
  readonly context?: number | undefined;
  /**
   * Scale of the residual blocks: `attn_scale` (`attention`, additive) or `scale` (`deep`, `transformer` and
   * `tensor_language`, lerp).
   */
  readonly scale?: number | undefined;
  /** `mask`. */
  readonly mask?: 'causal' | 'none' | undefined;
  /** Base of the rotary embedding, null for none: `rotary_base`, a number or "none"; 10 000 if it is nowhere. */
  readonly rotaryBase?: number | null | undefined;
  /**
   * Whether blocks add to their input: `residual`; of an `image` model false if it is nowhere. Of a `tensor_language`
   * model how attention does, `'lerp'` (the default) or `'add'`.
   */
  readonly residual?: boolean | 'lerp' | 'add' | undefined;
  /** How bilinear blocks of a `tensor_language` model add to their input: `mlp_residual`, `'add'` if it is nowhere. */
  readonly mlpResidual?: 'lerp' | 'add' | undefined;
  /**
   * What normalises the input of every block, where tensors do not tell: `norm` or `norm_type`; `'none'`, or `'scalar'`
   * or `'channel'` for learned factors. Any other is no polynomial, and refused.
   */
  readonly norm?: string | undefined;
  /** Which MLP block of a language model is meant, from 0: `block`. */
  readonly block?: number | undefined;
  /**
   * What stands between the linear layers, or in the gate, of a network whose tensors do not tell: `'none'` or the name
   * of an activation as torch, Keras or transformers have it, with a slope as in `'leaky_relu(0.2)'`. In files
   * `activation`, `hidden_act`, `activation_function`, `hidden_activation` or `activation_fn`, in PyTorch's also within a
   * `config`, `hparams` or `args` beside the state dict.
   */
  readonly activation?: string | undefined;
  /**
   * Whether batch norms among linear layers stand before the activation or behind it, where the names of their tensors do
   * not tell: `norm_place`.
   */
  readonly normPlace?: 'before' | 'after' | undefined;
  /** ε of these norms, which no state dict tells: `norm_eps`; 10⁻⁵ if it is nowhere, as torch has it. */
  readonly normEpsilon?: number | undefined;
  /** A config.json, its path or its text, for what the other fields do not say. */
  readonly file?: string | undefined;
}

/** Field names as checkpoints and config.json spell them. */
const SPELLED = {
  heads: 'n_head',
  context: 'n_ctx',
  mask: 'mask',
  mlpResidual: 'mlp_residual',
  rotaryBase: 'rotary_base',
  residual: 'residual',
  block: 'block',
  normPlace: 'norm_place',
  normEpsilon: 'norm_eps',
} as const;

/** Names under which a normalisation is told. */
const NORMS = ['norm', 'norm_type'] as const;
/** Names under which an activation is told, the first before the others. */
const ACTIVATIONS = ['activation', 'hidden_act', 'activation_function', 'hidden_activation', 'activation_fn'] as const;

/**
 * Looks settings up: what the caller gave goes before the checkpoint's metadata, and that before a config.json beside
 * it. All methods throw a TensimError `INVALID_FILE` (`INVALID_ARGUMENT` for an option) for a value that cannot be, and
 * for one that is missing and has no default.
 */
export class ModelSettings {
  /** The checkpoint, for messages. */
  readonly file: string;
  readonly #lookup: SettingLookup;

  constructor(file: string, metadata: Readonly<Record<string, string>>, sources: SettingSources = {}) {
    this.file = file;
    this.#lookup = new SettingLookup(file, metadata, sources);
  }

  /** What was asked for so far, and who said it. */
  get asked(): readonly Setting[] {
    return this.#lookup.asked;
  }

  /** Heads per attention layer; `missing` if it is nowhere. */
  heads(missing?: number): number {
    return this.#either('heads', SPELLED.heads, positiveInteger, missing);
  }

  /** Positions of an input. @param others names that the family has for them as well. */
  context(...others: readonly string[]): number {
    return this.#either('context', [SPELLED.context, ...others], positiveInteger);
  }

  /** `missing` if it is nowhere. */
  mask(missing?: 'causal' | 'none'): 'causal' | 'none' {
    return this.#either('mask', SPELLED.mask, oneOf('causal', 'none'), missing);
  }

  /** 10 000 unless given, as rotary embeddings have it everywhere. @param others as of `context`. */
  rotaryBase(...others: readonly string[]): number | null {
    const none = (text: string) => text === 'none' || text === 'null';
    const type = {
      parse: (text: string) => (none(text) ? { base: null } : positive(text)),
      kind: 'a positive number or "none"',
      inWords: ({ base }: { base: number | null }) => `${base ?? 'none'}`,
    };
    return this.#either('rotaryBase', [SPELLED.rotaryBase, ...others], type, { base: 10_000 }).base;
  }

  /** The scale of a residual under the name it has in this family; `missing` if it is nowhere. */
  scale(spelled: 'attn_scale' | 'scale', missing?: number): number {
    return this.#either('scale', spelled, number, missing);
  }

  /** Whether blocks add to their input; `missing` if it is nowhere. */
  residual(missing?: boolean): boolean {
    return this.#either('residual', SPELLED.residual, truth, missing, true);
  }

  /** How blocks of one kind add to their input; `missing` if it is nowhere. */
  residualKind(option: 'residual' | 'mlpResidual', missing: 'lerp' | 'add'): 'lerp' | 'add' {
    return this.#either(option, SPELLED[option], oneOf('lerp', 'add'), missing);
  }

  /**
   * What stands before blocks; undefined if nobody says. A file that describes the network, as it has one of these
   * fields, and says nothing of a norm, says that there is none.
   */
  norm(describing: readonly string[]): Found<NormKind> | undefined {
    const found = this.#lookup.find('norm', NORMS, normKind, true);
    const file = found === undefined ? this.#lookup.fileThatSays(describing)?.path : undefined;
    const norm =
      file === undefined ? found : { value: normKind.parse('none') as NormKind, from: `not said in ${file}` };
    if (norm !== undefined) this.#lookup.note(NORMS[0], norm.value, normKind, norm.from);
    return norm;
  }

  /** What the patterns of attention are, where a file says it: `softmax`, `bilinear`. */
  attentionKind(): Found<string> | undefined {
    return this.#lookup.find(undefined, ['attention'], { parse: (text) => text, kind: 'a name' });
  }

  /** What stands between linear layers; undefined if nobody says. */
  activation(): Activated | undefined {
    return this.#activation(statedActivation);
  }

  /** What is applied to the gate of a gated block, which may be told by the name of the whole (`swiglu`). */
  gateActivation(): Activated | undefined {
    return this.#activation(statedGate);
  }

  #activation(parse: (text: string) => Activated | undefined): Activated | undefined {
    const inWords = ({ activation, slope }: Activated) => (slope === null ? activation : `${activation}(${slope})`);
    return this.#find('activation', ACTIVATIONS, { parse, kind: ACTIVATION_IN_WORDS, inWords }, true);
  }

  /** The number of one block, if one is asked for. */
  block(): number | undefined {
    return this.#find('block', SPELLED.block, naturalNumber);
  }

  /** Where batch norms stand; undefined if nobody says. */
  normPlace(): 'before' | 'after' | undefined {
    const { parse } = oneOf('before', 'after');
    return this.#find('normPlace', SPELLED.normPlace, { parse, kind: '"before" or "after" (the activation)' });
  }

  /** ε of batch norms; that of torch unless given. */
  normEpsilon(): number {
    const parse = (text: string) => positive(text)?.base;
    return this.#either('normEpsilon', SPELLED.normEpsilon, { parse, kind: 'a positive number' }, 1e-5);
  }

  /** How wide the input is, where a config says it. */
  width(): number | undefined {
    const found = this.#lookup.find(undefined, ['d_model'], positiveInteger);
    return found && this.#lookup.note('d_model', found.value, positiveInteger, found.from);
  }

  /** The activation function of gated blocks, where the file says that there is one. */
  gate(): string | undefined {
    const anything: Type<{ name: string }> = { parse: (text) => ({ name: text }), kind: 'a name' };
    const [found] = this.#lookup.files.flatMap((file) => this.#lookup.inConfig(file, 'gate', anything) ?? []);
    return found === undefined || /^(null|none|false)$/i.test(found.name) ? undefined : found.name;
  }

  /** What is said, or else `missing`; without that, it must be said. */
  #either<T>(
    option: keyof ModelConfig,
    spelled: string | readonly string[],
    type: Type<T>,
    missing?: T,
    nested = false,
  ): T {
    const found = this.#find(option, spelled, type, nested);
    if (found !== undefined) return found;
    const [name] = typeof spelled === 'string' ? [spelled] : spelled;
    if (missing !== undefined) return this.#lookup.note(name, missing, type, 'default');
    throw new TensimError('INVALID_FILE', `does not say "${name}", which this model needs`, {
      file: this.file,
      hint: `It may stand in the checkpoint's metadata, in a config.json beside it or given as such (--config FILE, --config '{"${name}": …}'), or be given as the option config.${option}`,
    });
  }

  /** @param nested whether configs within the metadata count. */
  #find<T>(
    option: keyof ModelConfig,
    spelled: string | readonly string[],
    type: Type<T>,
    nested = false,
  ): T | undefined {
    const names = typeof spelled === 'string' ? [spelled] : spelled;
    const found = this.#lookup.find(option, names, type, nested);
    return found && this.#lookup.note(names[0], found.value, type, found.from);
  }
}
