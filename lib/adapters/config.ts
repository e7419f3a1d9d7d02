import { TensimError } from '../errors.js';
import { parseJson } from '../formats/text_file.js';
import { type ConfigFile, isRecord } from '../model/setting_lookup.js';
import { matchesAny } from '../words/pattern.js';
import { quote, valueText } from '../words/quoting.js';

/** Kinds of adapters whose change of a weight is a multiple of B A, as they are called. */
export type AdapterKind = 'LoRA' | 'rsLoRA' | 'AdaLoRA' | 'MLX LoRA';

/** What an adapter_config.json says of the change s · B A that each module gets. */
export interface AdapterConfig {
  readonly kind: AdapterKind;
  /** s of a module, whose factors have so many rows and columns between them. */
  readonly scaleOf: (module: string, rank: number) => number;
  /** α, the numerator of the scale; null where the scale is told as it is. */
  readonly alpha: number | null;
  /** Weights are stored as inputs by outputs. */
  readonly fanInFanOut: boolean;
  /** What was taken for granted. */
  readonly notes: readonly string[];
}

/** Settings of PEFT with which the change of a weight is not s · B A, and what they are. */
const OTHERWISE: Readonly<Record<string, string>> = {
  use_dora: 'DoRA: the norm of a row of the weight is its own parameter',
  use_qalora: 'QA-LoRA: inputs are pooled before A',
  lora_bias: 'LoRA with a bias in B',
  layer_replication: 'LoRA over replicated layers',
  target_parameters: 'LoRA of bare parameters, stacked experts among them',
  trainable_token_indices: 'LoRA with trained rows of the embedding',
  alora_invocation_tokens: 'aLoRA: it acts from some token on, which no weight can',
  megatron_config: 'LoRA over Megatron’s parallel layers',
};

/**
 * Reads an adapter_config.json of PEFT or MLX.
 * @throws TensimError `INVALID_FILE` for what is damaged; `UNSUPPORTED_LAYER` naming a kind of adapter that is no s · B A
 */
export function adapterConfig({ path, text }: ConfigFile): AdapterConfig {
  const fields = fieldsOf(path, text);
  if ('peft_type' in fields) return peftConfig(fields, path);
  if ('lora_parameters' in fields || 'fine_tune_type' in fields) return mlxConfig(fields, path);
  throw new TensimError('INVALID_FILE', 'is neither an adapter of PEFT ("peft_type") nor of MLX ("lora_parameters")', {
    file: path,
    hint: 'Give the folder that the training saved the adapter to',
  });
}

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(path: string, text: string): Fields {
  try {
    const json = parseJson(text);
    if (isRecord(json)) return json;
  } catch (cause) {
    throw new TensimError('INVALID_FILE', `is no JSON: ${(cause as Error).message}`, { file: path, cause });
  }
  throw new TensimError('INVALID_FILE', 'holds no object', { file: path });
}

function refused(file: string, what: string): TensimError {
  return new TensimError('UNSUPPORTED_LAYER', `is an adapter of another kind: ${what}`, {
    file,
    hint: 'Those that are read change weights by s · B A: LoRA, rsLoRA and AdaLoRA of PEFT, LoRA of MLX',
  });
}

function peftConfig(fields: Fields, path: string): AdapterConfig {
  const type = String(fields.peft_type).toUpperCase();
  if (type !== 'LORA' && type !== 'ADALORA') throw refused(path, quote(String(fields.peft_type)));
  for (const [name, what] of Object.entries(OTHERWISE)) {
    const value = fields[name];
    const says = Array.isArray(value) ? value.length > 0 : isRecord(value) ? Object.keys(value).length > 0 : value;
    if (says) throw refused(path, `${what} ("${name}")`);
  }
  const number = (name: string, otherwise?: number) => numberIn(fields, name, path, otherwise);
  const fanInFanOut = fields.fan_in_fan_out === true;
  const alpha = number('lora_alpha', 8);
  if (type === 'ADALORA') {
    // As PEFT loads one: the number of ranks that it divides by is the one that training began with.
    const divisor = number('init_r', 12) + 1e-5;
    const scale = (alpha > 0 ? alpha : number('r', 8)) / divisor;
    return { kind: 'AdaLoRA', scaleOf: () => scale, alpha, fanInFanOut, notes: [] };
  }
  const rooted = fields.use_rslora === true;
  const alphas = alphaPatterns(fields.alpha_pattern, path);
  const scaleOf = (module: string, rank: number) => {
    const own = alphas.find(({ patterns }) => matchesAny(module, patterns))?.alpha ?? alpha;
    return own / (rooted ? Math.sqrt(rank) : rank);
  };
  return { kind: rooted ? 'rsLoRA' : 'LoRA', scaleOf, alpha, fanInFanOut, notes: [] };
}

function mlxConfig(fields: Fields, path: string): AdapterConfig {
  const kind = fields.fine_tune_type ?? 'lora';
  if (fields.use_dora === true) throw refused(path, 'DoRA of MLX ("use_dora")');
  if (kind !== 'lora') throw refused(path, `${valueText(kind)} of MLX ("fine_tune_type")`);
  const parameters = fields.lora_parameters;
  if (!isRecord(parameters)) throw new TensimError('INVALID_FILE', 'has no "lora_parameters"', { file: path });
  const scale = numberIn(parameters, 'scale', path);
  if (parameters.alpha === undefined)
    return { kind: 'MLX LoRA', scaleOf: () => scale, alpha: null, fanInFanOut: false, notes: [] };
  // Versions that ask for an alpha multiply by both; later ones know none.
  const alpha = numberIn(parameters, 'alpha', path);
  const notes = [
    `"alpha" in ${path}: the scale is taken as scale · α / rank, as MLX did when it had an alpha; later versions leave α out`,
  ];
  return { kind: 'MLX LoRA', scaleOf: (_, rank) => (scale * alpha) / rank, alpha, fanInFanOut: false, notes };
}

function numberIn(fields: Fields, name: string, file: string, otherwise?: number): number {
  const value = fields[name] ?? otherwise;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new TensimError('INVALID_FILE', `"${name}" must be a number, not ${valueText(value)}`, { file });
}

interface AlphaPattern {
  /** Of names of modules. */
  readonly patterns: readonly string[];
  readonly alpha: number;
}

/**
 * Alphas of their own that some modules have. PEFT takes the keys for regular expressions of the end of a name; those that
 * are written are names, some with `.*` in them, and nothing else is run on what a file says.
 */
function alphaPatterns(value: unknown, file: string): AlphaPattern[] {
  if (!isRecord(value)) return [];
  return Object.keys(value).map((key) => {
    const pattern = key
      .replace(/^\^|\$$/g, '')
      .replaceAll('\\.', '.')
      .replaceAll('.*', '*');
    if (/[^\w.*-]/.test(pattern))
      throw new TensimError('UNSUPPORTED_LAYER', `"alpha_pattern" has the regular expression ${quote(key)}`, {
        file,
        hint: 'Names of modules are read, and .* in them',
      });
    const patterns = key.startsWith('^') ? [pattern] : [pattern, `*.${pattern}`];
    return { patterns, alpha: numberIn(value, key, file) };
  });
}
