import { TensimError } from '../errors.js';
import { parseJson } from '../formats/text_file.js';
import type { Activated } from '../layers/activations.js';
import { quote, valueText } from '../words/quoting.js';
import { naturalNumber, number, positive, positiveInteger, type Type, truth } from './setting_types.js';
import { ACTIVATION_IN_WORDS, statedActivation, statedGate } from './stated_activation.js';

/**
 * What the tensors of a checkpoint do not tell: given to `loadModel`, or found in the metadata or in a config.json
 * beside the file.
 */
export interface ModelConfig {
  /** Heads of every attention layer: `n_head`. */
  readonly heads?: number | undefined;
  /** Positions of an input: `n_ctx`. */
  readonly context?: number | undefined;
  /** Scale of the residual blocks: `attn_scale` (`attention`, additive) or `scale` (`deep` and `transformer`, lerp). */
  readonly scale?: number | undefined;
  /** `mask`. */
  readonly mask?: 'causal' | 'none' | undefined;
  /** Base of the rotary embedding, null for none: `rotary_base`, a number or "none"; 10 000 if it is nowhere. */
  readonly rotaryBase?: number | null | undefined;
  /** Whether blocks add to their input: `residual`; of an `image` model false if it is nowhere. */
  readonly residual?: boolean | undefined;
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

/** The text of a config.json; parsed only when it is asked for something, since most are for other programs. */
export interface ConfigFile {
  readonly path: string;
  readonly text: string;
  /** It was given as its text, and is in no file. */
  readonly isText?: true;
}

/** A setting that a model was read with. */
export interface Setting {
  /** As checkpoints spell it: `n_head`, `activation`. */
  readonly name: string;
  /** As it was understood. */
  readonly value: string;
  /** Who said so: `given`, `the metadata "hidden_act"`, `"n_head" in config.json`, or `default`. */
  readonly from: string;
}

/** Field names as checkpoints and config.json spell them. */
const SPELLED = {
  heads: 'n_head',
  context: 'n_ctx',
  mask: 'mask',
  rotaryBase: 'rotary_base',
  residual: 'residual',
  block: 'block',
  normPlace: 'norm_place',
  normEpsilon: 'norm_eps',
} as const;

/** Names under which an activation is told, the first before the others. */
const ACTIVATIONS = ['activation', 'hidden_act', 'activation_function', 'hidden_activation', 'activation_fn'] as const;

/** Where settings may be found beside the checkpoint's own metadata. */
export interface SettingSources {
  readonly options?: ModelConfig | undefined;
  /** A config.json that the caller gave. */
  readonly given?: ConfigFile | undefined;
  /** The config.json in the folder of the checkpoint. */
  readonly beside?: ConfigFile | undefined;
}

/**
 * Looks settings up: what the caller gave goes before the checkpoint's metadata, and that before a config.json beside
 * it. All methods throw a TensimError `INVALID_FILE` (`INVALID_ARGUMENT` for an option) for a value that cannot be, and
 * for one that is missing and has no default.
 */
export class ModelSettings {
  /** The checkpoint, for messages. */
  readonly file: string;
  readonly #metadata: Readonly<Record<string, string>>;
  readonly #sources: SettingSources;
  readonly #parsedFiles = new Map<ConfigFile, Readonly<Record<string, unknown>>>();
  readonly #asked = new Map<string, Setting>();

  constructor(file: string, metadata: Readonly<Record<string, string>>, sources: SettingSources = {}) {
    this.file = file;
    this.#metadata = metadata;
    this.#sources = sources;
  }

  /** What was asked for so far, and who said it. */
  get asked(): readonly Setting[] {
    return [...this.#asked.values()];
  }

  /** Heads per attention layer. */
  heads(): number {
    return this.#required('heads', SPELLED.heads, positiveInteger);
  }

  /** Positions of an input. */
  context(): number {
    return this.#required('context', SPELLED.context, positiveInteger);
  }

  mask(): 'causal' | 'none' {
    return this.#required('mask', SPELLED.mask, {
      parse: (text) => (text === 'causal' || text === 'none' ? text : undefined),
      kind: '"causal" or "none"',
    });
  }

  /** 10 000 unless given, as rotary embeddings have it everywhere. */
  rotaryBase(): number | null {
    const none = (text: string) => text === 'none' || text === 'null';
    const type = {
      parse: (text: string) => (none(text) ? { base: null } : positive(text)),
      kind: 'a positive number or "none"',
      inWords: ({ base }: { base: number | null }) => `${base ?? 'none'}`,
    };
    return this.#orDefault('rotaryBase', SPELLED.rotaryBase, type, { base: 10_000 }).base;
  }

  /** The scale of a residual under the name it has in this family; `missing` if it is nowhere. */
  scale(spelled: 'attn_scale' | 'scale', missing?: number): number {
    return missing === undefined
      ? this.#required('scale', spelled, number)
      : this.#orDefault('scale', spelled, number, missing);
  }

  /** Whether blocks add to their input; `missing` if it is nowhere. */
  residual(missing?: boolean): boolean {
    return missing === undefined
      ? this.#required('residual', SPELLED.residual, truth)
      : this.#orDefault('residual', SPELLED.residual, truth, missing);
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
    return this.#find('normPlace', SPELLED.normPlace, {
      parse: (text) => (text === 'before' || text === 'after' ? text : undefined),
      kind: '"before" or "after" (the activation)',
    });
  }

  /** ε of batch norms; that of torch unless given. */
  normEpsilon(): number {
    const parse = (text: string) => positive(text)?.base;
    return this.#orDefault('normEpsilon', SPELLED.normEpsilon, { parse, kind: 'a positive number' }, 1e-5);
  }

  /** The activation function of gated blocks, where the file says that there is one. */
  gate(): string | undefined {
    const { given, beside } = this.#sources;
    const anything: Type<{ name: string }> = { parse: (text) => ({ name: text }), kind: 'a name' };
    const found = this.#inConfig(given, 'gate', anything) ?? this.#inConfig(beside, 'gate', anything);
    return found === undefined || /^(null|none|false)$/i.test(found.name) ? undefined : found.name;
  }

  #required<T>(option: keyof ModelConfig, spelled: string, type: Type<T>): T {
    const found = this.#find(option, spelled, type);
    if (found !== undefined) return found;
    throw new TensimError('INVALID_FILE', `does not say "${spelled}", which this model needs`, {
      file: this.file,
      hint: `It may stand in the checkpoint's metadata, in a config.json beside it or given as such (--config FILE), or be given as the option config.${option}`,
    });
  }

  #orDefault<T>(option: keyof ModelConfig, spelled: string, type: Type<T>, missing: T): T {
    const found = this.#find(option, spelled, type);
    if (found === undefined) this.#note(spelled, missing, type, 'default');
    return found ?? missing;
  }

  #note<T>(name: string, value: T, { inWords = String }: Type<T>, from: string): T {
    this.#asked.set(name, { name, value: inWords(value), from });
    return value;
  }

  /** @param nested whether configs within the metadata count. */
  #find<T>(
    option: keyof ModelConfig,
    spelled: string | readonly string[],
    type: Type<T>,
    nested = false,
  ): T | undefined {
    const { options, given, beside } = this.#sources;
    const names = typeof spelled === 'string' ? [spelled] : spelled;
    const chosen = options?.[option];
    if (chosen !== undefined) {
      const value = type.parse(settingText(chosen));
      if (value !== undefined) return this.#note(names[0], value, type, 'given');
      throw new TensimError(
        'INVALID_ARGUMENT',
        `the option config.${option} is ${valueText(chosen)}, not ${type.kind}`,
      );
    }
    const told = (name: string) => `the metadata ${quote(name)}`;
    const sources = [
      [(name: string) => this.#inConfig(given, name, type), (name: string) => `${quote(name)} in ${given?.path}`],
      [(name: string) => this.#inMetadata(name, type), told],
      [
        (name: string) => (nested ? this.#inMetadata(this.#inConfigs(name), type) : undefined),
        (name: string) => told(this.#inConfigs(name) ?? name),
      ],
      [(name: string) => this.#inConfig(beside, name, type), (name: string) => `${quote(name)} in ${beside?.path}`],
    ] as const;
    for (const [look, place] of sources)
      for (const name of names) {
        const value = look(name);
        if (value !== undefined) return this.#note(names[0], value, type, place(name));
      }
    return undefined;
  }

  /** The name in the metadata of what configs there say alike under a name of theirs: `hparams.activation`. */
  #inConfigs(name: string): string | undefined {
    const found = Object.keys(this.#metadata).filter((key) => key.endsWith(`.${name}`));
    // Two that say otherwise are of two parts of the network, and nobody knows which is meant.
    return new Set(found.map((key) => this.#metadata[key])).size === 1 ? found[0] : undefined;
  }

  #inMetadata<T>(name: string | undefined, type: Type<T>): T | undefined {
    if (name === undefined || !Object.hasOwn(this.#metadata, name)) return undefined;
    return parsed(this.#metadata[name], `the metadata "${name}"`, type, this.file);
  }

  #inConfig<T>(config: ConfigFile | undefined, spelled: string, type: Type<T>): T | undefined {
    if (config === undefined) return undefined;
    const values = this.#parsedFiles.get(config) ?? parseObject(config);
    this.#parsedFiles.set(config, values);
    return Object.hasOwn(values, spelled)
      ? parsed(settingText(values[spelled]), `"${spelled}"`, type, config.path)
      : undefined;
  }
}

/** A setting as text; a list or an object is none, and is shown as far as a message needs. */
function settingText(value: unknown): string {
  return typeof value === 'object' ? valueText(value) : String(value);
}

function parsed<T>(text: string, what: string, { parse, kind }: Type<T>, file: string): T {
  const value = parse(text.trim());
  if (value !== undefined) return value;
  throw new TensimError('INVALID_FILE', `${what} is ${quote(text)}, not ${kind}`, { file });
}

/**
 * What a config.json says.
 * @throws TensimError `INVALID_FILE` for what is no object
 */
export function parseObject({ path, text }: ConfigFile): Readonly<Record<string, unknown>> {
  let json: unknown;
  try {
    json = parseJson(text);
  } catch (error) {
    throw new TensimError('INVALID_FILE', `is not JSON: ${(error as Error).message}`, { file: path });
  }
  if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json as Record<string, unknown>;
  throw new TensimError('INVALID_FILE', 'must be an object { … }', { file: path });
}
