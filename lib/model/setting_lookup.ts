import { TensimError } from '../errors.js';
import { parseJson } from '../formats/text_file.js';
import { quote, valueText } from '../words/quoting.js';
import type { Type } from './setting_types.js';
import type { ModelConfig } from './settings.js';

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

/** Where settings may be found beside the checkpoint's own metadata. */
export interface SettingSources {
  readonly options?: ModelConfig | undefined;
  /** A config.json that the caller gave. */
  readonly given?: ConfigFile | undefined;
  /** Files that are called after the checkpoint: `net.pt.config.json`, `net.pt.history.json`. */
  readonly own?: readonly ConfigFile[] | undefined;
  /** The config.json in the folder of the checkpoint. */
  readonly beside?: ConfigFile | undefined;
  /** What the history.json in that folder says the training was made with. */
  readonly history?: ConfigFile | undefined;
}

/** What was found, as it was understood. */
export interface Found<T> {
  readonly value: T;
  /** As in `Setting`. */
  readonly from: string;
}

/** Objects in a config file whose fields count as its own, where it does not say the same itself. */
const WITHIN = ['model', 'config'] as const;

/**
 * Looks settings up by their names: what the caller gave goes before the checkpoint's metadata, that before files called
 * after the checkpoint, and these before a config.json and a history.json beside it. Remembers what was asked for.
 */
export class SettingLookup {
  readonly #file: string;
  readonly #metadata: Readonly<Record<string, string>>;
  readonly #sources: SettingSources;
  readonly #parsedFiles = new Map<ConfigFile, Readonly<Record<string, unknown>>>();
  readonly #asked = new Map<string, Setting>();

  constructor(file: string, metadata: Readonly<Record<string, string>>, sources: SettingSources) {
    this.#file = file;
    this.#metadata = metadata;
    this.#sources = sources;
  }

  get asked(): readonly Setting[] {
    return [...this.#asked.values()];
  }

  note<T>(name: string, value: T, { inWords = String }: Type<T>, from: string): T {
    this.#asked.set(name, { name, value: inWords(value), from });
    return value;
  }

  /** The files that say how the checkpoint is read, the one that goes first first. */
  get files(): readonly ConfigFile[] {
    const { given, own = [], beside, history } = this.#sources;
    return [given, ...own, beside, history].filter((file) => file !== undefined);
  }

  /** The first of these files that says anything under one of these names. */
  fileThatSays(names: readonly string[]): ConfigFile | undefined {
    return this.files.find((file) => names.some((name) => Object.hasOwn(this.#valuesIn(file), name)));
  }

  /**
   * @param names under which it may be told, the first before the others.
   * @param nested whether configs within the metadata count.
   * @throws TensimError for a value that cannot be.
   */
  find<T>(
    option: keyof ModelConfig | undefined,
    names: readonly string[],
    type: Type<T>,
    nested = false,
  ): Found<T> | undefined {
    const { options, given, own = [], beside, history } = this.#sources;
    const chosen = option === undefined ? undefined : options?.[option];
    if (chosen !== undefined) {
      const value = type.parse(settingText(chosen));
      if (value !== undefined) return { value, from: 'given' };
      throw new TensimError(
        'INVALID_ARGUMENT',
        `the option config.${option} is ${valueText(chosen)}, not ${type.kind}`,
      );
    }
    const told = (name: string) => `the metadata ${quote(name)}`;
    const inFile = (file: ConfigFile | undefined) =>
      [(name: string) => this.inConfig(file, name, type), (name: string) => `${quote(name)} in ${file?.path}`] as const;
    const sources = [
      inFile(given),
      [(name: string) => this.#inMetadata(name, type), told],
      [
        (name: string) => (nested ? this.#inMetadata(this.#inConfigs(name), type) : undefined),
        (name: string) => told(this.#inConfigs(name) ?? name),
      ],
      ...[...own, beside, history].map(inFile),
    ] as const;
    for (const [look, place] of sources)
      for (const name of names) {
        const value = look(name);
        if (value !== undefined) return { value, from: place(name) };
      }
    return undefined;
  }

  inConfig<T>(config: ConfigFile | undefined, spelled: string, type: Type<T>): T | undefined {
    if (config === undefined) return undefined;
    const values = this.#valuesIn(config);
    return Object.hasOwn(values, spelled)
      ? parsed(settingText(values[spelled]), `"${spelled}"`, type, config.path)
      : undefined;
  }

  /** The name in the metadata of what configs there say alike under a name of theirs: `hparams.activation`. */
  #inConfigs(name: string): string | undefined {
    const found = Object.keys(this.#metadata).filter((key) => key.endsWith(`.${name}`));
    // Two that say otherwise are of two parts of the network, and nobody knows which is meant.
    return new Set(found.map((key) => this.#metadata[key])).size === 1 ? found[0] : undefined;
  }

  #inMetadata<T>(name: string | undefined, type: Type<T>): T | undefined {
    if (name === undefined || !Object.hasOwn(this.#metadata, name)) return undefined;
    return parsed(this.#metadata[name], `the metadata "${name}"`, type, this.#file);
  }

  #valuesIn(config: ConfigFile): Readonly<Record<string, unknown>> {
    const known = this.#parsedFiles.get(config);
    if (known !== undefined) return known;
    const whole = parseObject(config);
    const values: Record<string, unknown> = Object.create(null);
    for (const part of [...WITHIN.map((name) => whole[name]), whole])
      if (isRecord(part)) for (const [name, value] of Object.entries(part)) values[name] = value;
    this.#parsedFiles.set(config, values);
    return values;
  }
}

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

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
  if (isRecord(json)) return json;
  throw new TensimError('INVALID_FILE', 'must be an object { … }', { file: path });
}
