import { TensimError } from '../../errors.js';
import { parseDecimal } from '../../words/names.js';
import { quote, valueText } from '../../words/quoting.js';
import { truth } from '../setting_types.js';

/** A setting of a network, and who said it. */
export interface ToldSetting {
  /** As it was understood. */
  readonly value: number | string;
  /** `"n_head" in config.json`, … */
  readonly from: string;
}

/** What somebody says about a network: a config.json, metadata, options. */
export interface Source {
  /** For messages: `config.json`, `the metadata`. */
  readonly name: string;
  readonly values: Readonly<Record<string, unknown>>;
}

/**
 * Names of settings, as the libraries that write config.json have them, and as GGUF does behind the name of the
 * architecture. Of nested ones the whole path.
 */
const NAMES = {
  heads: ['num_attention_heads', 'n_head', 'n_heads', 'num_heads', 'nhead', 'attention.head_count'],
  groups: ['num_key_value_heads', 'n_kv_heads', 'num_kv_heads', 'n_head_kv', 'attention.head_count_kv'],
  headWidth: ['head_dim', 'kv_channels', 'd_head', 'attention.key_length'],
  rotaryBase: [
    'rope_theta',
    'rope_parameters.rope_theta',
    'rope_parameters.full_attention.rope_theta',
    'rotary_emb_base',
    'rotary_base',
    'rope.freq_base',
  ],
  rotaryShare: ['partial_rotary_factor', 'rope_parameters.partial_rotary_factor', 'rotary_pct'],
  localRotaryBase: ['rope_local_base_freq', 'rope_parameters.sliding_attention.rope_theta'],
  localPattern: ['sliding_window_pattern'],
  layerKinds: ['layer_types'],
  scaling: ['rope_scaling', 'rope_parameters.full_attention', 'rope_parameters'],
  rotaryWidth: ['rotary_dim', 'rope.dimension_count'],
  scalingKind: ['rope.scaling.type'],
  scalingFactor: ['rope.scaling.factor', 'rope.scale_linear'],
  scalingFrom: ['rope.scaling.original_context_length'],
  interleaved: ['rope_interleaved', 'rotary_adjacent_pairs'],
  turnedLayers: ['no_rope_layers'],
  positional: ['positional_embedding_type', 'position_embedding_type'],
  slopes: ['alibi', 'attn_config.alibi'],
  norm: ['normalization_type', 'norm_type', 'norm'],
  normFirst: ['norm_first', 'do_layer_norm_before'],
  gated: ['gated'],
  squaredMlp: ['squared_mlp'],
  activation: ['activation', 'hidden_act', 'activation_function', 'hidden_activation', 'activation_fn', 'act_fn'],
  architecture: ['model_type', 'general.architecture'],
  // What the network as a whole depends on, beside its blocks.
  epsilon: [
    'norm_eps',
    'rms_norm_eps',
    'layer_norm_eps',
    'layer_norm_epsilon',
    'norm_epsilon',
    'attention.layer_norm_rms_epsilon',
    'attention.layer_norm_epsilon',
  ],
  lensEpsilon: ['eps'],
  positions: ['max_position_embeddings', 'n_positions', 'n_ctx', 'max_seq_len', 'context_length', 'block_size'],
  used: ['n_ctx'],
  positionKind: ['position_embedding_type'],
  mask: ['mask', 'attention_dir'],
  parallel: ['use_parallel_residual', 'parallel_attn_mlp'],
  tied: ['tie_word_embeddings'],
  window: ['sliding_window', 'attention.sliding_window'],
  windowUsed: ['use_sliding_window'],
  windowFrom: ['max_window_layers'],
  queryScalar: ['query_pre_attn_scalar'],
  scoreFactor: ['attention_multiplier'],
  scoreDivisor: ['attn_scale'],
  scoresScaled: ['scale_attn_weights', 'use_attn_scale'],
  scoresByLayer: ['scale_attn_by_inverse_layer_idx'],
  scoreCap: ['attn_logit_softcapping', 'attn_scores_soft_cap'],
  embeddingFactor: ['embedding_multiplier'],
  residualFactor: ['residual_multiplier'],
  logitDivisor: ['logits_scaling'],
  // What changes the function and is not run.
  logitCap: ['final_logit_softcapping', 'output_logits_soft_cap'],
  logitScale: ['logit_scale'],
  clip: ['clip_qkv', 'attention.clamp_kqv'],
  embeddingScale: ['scale_emb', 'embedding_scale'],
  residualScale: ['scale_depth', 'residual_scale'],
  scaledRotation: ['use_scaled_rope'],
  bothWays: ['use_bidirectional_attention'],
  residualBehindNorm: ['apply_residual_connection_post_layernorm'],
} as const;
export type SettingName = keyof typeof NAMES;

/** How a setting is spelled first of all. */
export const spelledSetting = (setting: SettingName): string => NAMES[setting][0];

/** Parts of a config.json that hold the settings of the language model of a larger one. */
const WITHIN = ['text_config', 'llm_config', 'language_config'];

/** Looks settings up in sources, the first before the others, and remembers who said what. */
export class BlockSettings {
  /** The checkpoint, for messages. */
  readonly file: string;
  readonly #sources: readonly Source[];
  readonly #told = new Map<string, ToldSetting>();

  constructor(file: string, sources: readonly Source[]) {
    this.file = file;
    this.#sources = sources.map(({ name, values }) => ({ name, values: flat(values) }));
  }

  /** What was asked for so far, by name. */
  get told(): ReadonlyMap<string, ToldSetting> {
    return this.#told;
  }

  /**
   * A number above zero; undefined where nobody says it.
   * @throws TensimError `INVALID_FILE` for what is said and is none
   */
  number(setting: SettingName): number | undefined {
    return this.#find(
      setting,
      (text) => {
        const value = parseDecimal(text);
        return value !== undefined && value > 0 ? value : undefined;
      },
      'a number above zero',
    );
  }

  /** A whole number above zero; undefined where nobody says it. */
  count(setting: SettingName): number | undefined {
    return this.#find(
      setting,
      (text) => {
        const value = parseDecimal(text);
        return value !== undefined && value >= 1 && Number.isSafeInteger(value) ? value : undefined;
      },
      'a whole number from 1',
    );
  }

  text(setting: SettingName): string | undefined {
    return this.#find(setting, (text) => text, 'a text');
  }

  /** Whether something is so; undefined where nobody says it. */
  truth(setting: SettingName): boolean | undefined {
    const found = this.#find(setting, (text) => (truth.parse(text) === undefined ? undefined : text), truth.kind);
    return found === undefined ? undefined : truth.parse(found);
  }

  /** Which norms there are; `none` also where null is said. Undefined where nobody says it. */
  normKind(): NormKind | undefined {
    return this.#find('norm', normNamed, '"layer", "rms" or "none"', 'none');
  }

  /**
   * Whether norms stand before blocks, and are not of their sums with the stream.
   * @throws TensimError `INVALID_FILE` where nobody says it
   */
  isNormFirst(): boolean {
    const found = this.truth('normFirst');
    if (found !== undefined) return found;
    throw new TensimError('INVALID_FILE', 'does not say whether its norms stand before its blocks or behind them', {
      file: this.file,
      hint: `Put its config.json beside it, or say it: --config '{"norm_first": true}'`,
    });
  }

  /** Takes note of what nobody says and the layout has built in. */
  assume(setting: SettingName, value: number | string, layout: string): void {
    if (!this.#told.has(setting)) this.#told.set(setting, { value, from: `the layout ${layout}` });
  }

  /** What is no plain value: a list, or an object; undefined where nobody says it. */
  object(setting: SettingName): object | undefined {
    for (const { values } of this.#sources)
      for (const spelled of NAMES[setting]) {
        const given = values[spelled];
        if (typeof given === 'object' && given !== null) return given;
      }
    return undefined;
  }

  /**
   * The number of heads, which no tensor tells.
   * @throws TensimError `INVALID_FILE` where nobody says it
   */
  heads(): number {
    const heads = this.count('heads');
    if (heads !== undefined) return heads;
    throw new TensimError(
      'INVALID_FILE',
      'does not say how many attention heads it has, which its tensors do not tell',
      {
        file: this.file,
        hint: `Put its config.json beside it, or say it: --config '{"n_head": 12}', option config.heads`,
      },
    );
  }

  #find<T extends number | string>(
    setting: SettingName,
    parse: (text: string) => T | undefined,
    kind: string,
    ofNull?: T,
  ): T | undefined {
    for (const { name, values } of this.#sources)
      for (const spelled of NAMES[setting]) {
        const [own] = [spelled, `${values[GGUF]}.${spelled}`].filter((key) => Object.hasOwn(values, key));
        const given = own === undefined ? undefined : values[own];
        if (given === undefined || (given === null && ofNull === undefined)) continue;
        const value = given === null ? ofNull : typeof given === 'object' ? undefined : parse(String(given).trim());
        if (value === undefined)
          throw new TensimError('INVALID_FILE', `${quote(own!)} in ${name} is ${valueText(given)}, not ${kind}`, {
            file: this.file,
          });
        this.#told.set(setting, { value, from: `${quote(own!)} in ${name}` });
        return value;
      }
    return undefined;
  }
}

/** Under which GGUF says the architecture, behind whose name its settings are: `llama.attention.head_count`. */
const GGUF = 'general.architecture';

/** Which norms a network has. */
export type NormKind = 'layer' | 'rms' | 'none';

function normNamed(text: string): NormKind | undefined {
  if (/rms/i.test(text)) return 'rms';
  if (/^ln|layer/i.test(text)) return 'layer';
  return /^(?:none|null|identity|false)$/i.test(text) ? 'none' : undefined;
}

/** Objects within objects that are looked into. */
const MOST_NESTED = 4;

/** With what is nested also under the names of all levels, and the settings of a part as if of the whole. */
function flat(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const all: Record<string, unknown> = Object.create(null);
  const put = (record: Readonly<Record<string, unknown>>, before: string, depth: number) => {
    for (const [key, value] of Object.entries(record)) {
      all[before + key] = value;
      if (isRecord(value) && depth < MOST_NESTED) put(value, `${before}${key}.`, depth + 1);
    }
  };
  put(values, '', 0);
  for (const part of WITHIN) {
    const own = values[part];
    if (isRecord(own)) put(own, '', 1);
  }
  return all;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
