import { TensimError } from '../../../errors.js';
import { parseDecimal } from '../../../words/names.js';
import { quote } from '../../../words/quoting.js';
import type { Setting } from '../../settings.js';
import type { Layout } from '../../transformers/layouts/layout.js';
import { isLocalLayer } from '../../transformers/layouts/rotation.js';
import { type BlockSettings, type SettingName, spelledSetting } from '../../transformers/settings.js';
import { COMPARE_BLOCKS, untold } from '../refusals.js';

/**
 * Architectures whose forward pass is known, as config.json or metadata call them, by layout. Others have the same names
 * of tensors and do something else with them. Layouts that are not listed are not run.
 */
const ARCHITECTURES: Readonly<Record<string, RegExp>> = {
  llama: /^(?:llama|mistral|qwen[23]|olmo2?|gemma2?|gemma3(?:_text)?|granite)$/,
  phi3: /^phi3$/,
  gguf: /^(?:llama|qwen[23]|olmo2?|gemma2?)$/,
  gpt2: /^gpt2$/,
  gpt_neox: /^gpt_neox$/,
  phi: /^phi$/,
  gptj: /^gptj$/,
  codegen: /^codegen$/,
  bloom: /^bloom$/,
  meta: /^(?:llama|mistral)$/,
  transformer_lens: /./,
};
/** Layouts whose blocks both take the same input, whatever is said. */
const PARALLEL: ReadonlySet<string> = new Set(['phi', 'gptj', 'codegen']);

/** ε of the norms where the programs of a layout have one that is not said: torch's own, and that of Llama's. */
const EPSILONS: Readonly<Record<string, number>> = {
  ...{
    meta: 1e-5,
    gpt2: 1e-5,
    gpt_neox: 1e-5,
    phi: 1e-5,
    transformer_lens: 1e-5,
    gptj: 1e-5,
    codegen: 1e-5,
    bloom: 1e-5,
  },
};
/** Of the layer norms without parameters of OLMo, whose programs know no other. */
const OLMO_EPSILON = 1e-5;

const isNothing = (text: string): boolean => ['none', 'false', 'default'].includes(text) || !(Number(text) !== 0);
const isUnit = (text: string): boolean => Number(text) === 1;
const isNotAbove = (text: string): boolean => !(Number(text) > 0);

/** What changes the function and is not run: the setting, values that change nothing, and what it does. */
const UNKNOWN: readonly (readonly [SettingName, (text: string) => boolean, string])[] = [
  ['logitCap', isNotAbove, 'caps its logits'],
  ['logitScale', isUnit, 'scales its logits'],
  ['clip', isNotAbove, 'clips queries, keys and values'],
  ['embeddingScale', isUnit, 'scales its embedding'],
  ['residualScale', isUnit, 'scales what blocks add'],
  ['scaledRotation', isNothing, 'stretches its rotary embedding'],
  ['residualBehindNorm', isNothing, 'adds blocks to what its norms give'],
  ['bothWays', isNothing, 'has attention in both directions'],
  ['positional', (text) => ['standard', 'rotary', 'alibi', 'none'].includes(text), 'has positions of another kind'],
  [
    'positionKind',
    (text) => ['standard', 'absolute', 'rotary', 'rope'].includes(text),
    'has positions of another kind',
  ],
];

/** The number that somebody wrote: GGUF keeps 0.00001 as the float32 nearest to it, 0.000009999999747378752. */
function asWritten(value: number): number {
  if (Math.fround(value) !== value) return value;
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return value;
}

/** Whether networks of a layout are run as wholes. */
export const isRun = ({ name }: Layout): boolean => Object.hasOwn(ARCHITECTURES, name);

/** What tensors do not tell of a transformer that is run as a whole, and what was taken where nobody says it. */
export class Facts {
  readonly settings: BlockSettings;
  readonly #layout: Layout;
  readonly #defaults: Setting[] = [];

  /** @throws TensimError `UNSUPPORTED_LAYER` for a network that does what is not run */
  constructor(layout: Layout, settings: BlockSettings) {
    this.settings = settings;
    this.#layout = layout;
    const { file } = settings;
    const known = ARCHITECTURES[layout.name];
    const architecture = settings.text('architecture');
    if (architecture !== undefined && !known.test(architecture))
      throw untold(file, `is of the architecture ${quote(architecture)}, which is not run as a whole`, COMPARE_BLOCKS);
    for (const [setting, isNeutral, words] of UNKNOWN) {
      const told = settings.text(setting);
      if (told === undefined || isNeutral(told)) continue;
      const { from } = settings.told.get(setting)!;
      throw untold(file, `${words} (${from} is ${quote(told)}), which is not run as a whole`, COMPARE_BLOCKS);
    }
  }

  /** The family of programs; empty where nobody says it. */
  get architecture(): string {
    return this.settings.text('architecture') ?? '';
  }

  /** Gemma, whose embedding is multiplied by √d. */
  get isGemma(): boolean {
    return /^gemma/.test(this.architecture);
  }

  /** All that was asked for, and who said it. */
  get asked(): readonly Setting[] {
    const told = [...this.settings.told].map(([name, { value, from }]) => ({
      name: spelledSetting(name as SettingName),
      value: String(value),
      from,
    }));
    return [...told, ...this.#defaults];
  }

  /** Notes what is taken where nobody says it. */
  note<Value extends string | number | boolean>(setting: SettingName, value: Value, from = 'default'): Value {
    const name = spelledSetting(setting);
    if (!this.#defaults.some((known) => known.name === name)) this.#defaults.push({ name, value: String(value), from });
    return value;
  }

  /** ε of all norms. */
  epsilon(): number {
    const { settings } = this;
    const { name } = this.#layout;
    const told =
      settings.number('epsilon') ?? (name === 'transformer_lens' ? settings.number('lensEpsilon') : undefined);
    if (told !== undefined) return asWritten(told);
    const own = this.architecture === 'olmo' ? OLMO_EPSILON : EPSILONS[name];
    return own === undefined ? this.missing('epsilon', 'the ε of its norms') : this.note('epsilon', own);
  }

  mask(): 'causal' | 'none' {
    const told = this.settings.text('mask');
    if (told === 'none' || told === 'bidirectional') return 'none';
    if (told !== undefined && told !== 'causal')
      return this.missing('mask', 'a mask that is known, "causal" or "none"');
    // All others are causal by what they are.
    if (told === undefined && this.#layout.name === 'transformer_lens') this.note('mask', 'causal');
    return 'causal';
  }

  /** Whether attention and MLP of a layer take the same input. */
  isParallel(): boolean {
    const { name } = this.#layout;
    if (PARALLEL.has(name)) return true;
    const told = this.settings.truth('parallel');
    return told ?? (name === 'gpt_neox' && this.note('parallel', true));
  }

  /** What scores are multiplied by; null: the usual, d_head^−½. */
  scale(layer: number, width: number): number | null {
    const { settings } = this;
    const scalar = settings.number('queryScalar');
    if (scalar === undefined && /^gemma[23]/.test(this.architecture))
      return this.missing('queryScalar', 'what its scores are scaled by');
    const divisor = parseDecimal(settings.text('scoreDivisor'));
    const usual =
      settings.number('scoreFactor') ??
      (settings.truth('scoresScaled') === false ? 1 : undefined) ??
      (scalar === undefined ? undefined : scalar ** -0.5) ??
      (divisor !== undefined && divisor > 0 && this.#layout.headsApart ? 1 / divisor : undefined);
    if (settings.truth('scoresByLayer') === true) return (usual ?? width ** -0.5) / (layer + 1);
    return usual ?? null;
  }

  /** c of c tanh(score / c); null: none. */
  scoreCap(): number | null {
    const told = parseDecimal(this.settings.text('scoreCap'));
    return told !== undefined && told > 0 ? told : null;
  }

  /** How far a layer sees, where that is less than there are positions. */
  window(layer: number, positions: number): number | null {
    const { settings, architecture } = this;
    if (settings.truth('windowUsed') === false) return null;
    const window = settings.count('window');
    if (window === undefined || window >= positions) return null;
    const isNear = settings.object('layerKinds') !== undefined || /^gemma3/.test(architecture);
    if (isNear) return isLocalLayer(settings, layer) ? window : null;
    if (architecture === 'gemma2') return layer % 2 === 0 ? window : null;
    if (architecture === 'qwen2') return layer >= (settings.count('windowFrom') ?? 0) ? window : null;
    if (/^(?:mistral|phi3)$/.test(architecture)) return window;
    throw untold(
      settings.file,
      `has layers that see the nearest ${window} of ${positions} positions, and does not say which`,
      `take fewer positions (--positions ${window}, option config.context)`,
      COMPARE_BLOCKS,
    );
  }

  /** @throws TensimError always */
  missing(setting: SettingName, what: string): never {
    const name = spelledSetting(setting);
    throw new TensimError('INVALID_FILE', `does not say ${what}`, {
      file: this.settings.file,
      hint: `Put its config.json beside it, or say it: --config '{"${name}": …}', option config.file; or compare its blocks (tensim blocks A B)`,
    });
  }
}
