import { TensimError } from '../../errors.js';
import type { AttentionOf, BilinearOf, LayerOf, LinearOf } from '../../layers/layer.js';
import { quoted } from '../../words/names.js';
import { type Blueprint, type Place, type Tensors, tensorsOf, usedTensors } from '../blueprint.js';

export const DESCRIPTION_SCHEMA = 'tensim.model/1';

/**
 * A `model.json`: the layers of a model and the tensors they are made of, so that a checkpoint of any naming can be read.
 *
 *     { "schema": "tensim.model/1",
 *       "weights": "step_100.safetensors",
 *       "layers": [
 *         { "type": "linear", "weight": "encoder.W", "bias": "encoder.b" },
 *         { "type": "bilinear", "leftRight": "mlp.w12", "down": "mlp.w3", "residual": { "lerp": 0.5 } } ],
 *       "ignore": ["optimizer.*"] }
 *
 * - `linear`: `weight` (out, in), `bias` (out)?
 *   With `"transposed": true` the weight is (in, out): an embedding whose rows are the tokens. `meanEnergy` names a tensor of one
 *   number e by whose (e + 10⁻⁶)^−½ the weight is multiplied, a final normalisation that is fixed after training.
 * - `bilinear`: `left` and `right` (h, in), or `leftRight` (2h, in) with the rows of L first; `leftBias`, `rightBias` (h)? or
 *   `leftRightBias` (2h)?; `down` (out, h)?, `downBias` (out)?; `alpha` and `beta` (default 0 and 1), or `residual`
 *   `{ "lerp": σ }` (α = 1−σ, β = σ) or `{ "add": s }` (α = 1, β = s).
 * - `attention`: `q1`, `k1`, `q2`, `k2`, `v` (heads·d_head, in), or `q` and `k` for q1 = q2 and k1 = k2; `o` (out, heads·d_head); any
 *   of them with `Bias` appended?; `heads`; `mask` `"causal"` or `"none"`; `rotaryBase`, a number or null; and the residual as above.
 * - `positions`: of an input, default 1; attention needs it.
 * - `weights`: the checkpoint, relative to the model.json; with it the model.json can itself be given as the model.
 * - `ignore`: names of tensors that are knowingly left out; `*` stands for anything. Every other tensor must be used.
 */
export interface Description {
  /** The model.json. */
  readonly file: string;
  readonly weights?: string;
  readonly positions: number;
  readonly layers: readonly LayerOf<Place>[];
  readonly ignore: readonly string[];
}

/** Whether a text claims to be a description of ours, of whatever version and however damaged. */
export function claimsToBeDescription(text: string): boolean {
  return text.includes('"tensim.model/');
}

/**
 * Reads the text of a model.json.
 * @throws TensimError `INVALID_FILE` naming the file and the field that is wrong.
 */
export function parseDescription(text: string, file: string): Description {
  const fail: Fail = (problem, hint) => {
    throw new TensimError('INVALID_FILE', problem, { file, ...(hint !== undefined && { hint }) });
  };
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    return fail(`is not JSON: ${(error as Error).message}`);
  }
  const fields = record(json, 'the description', fail);
  if (fields.schema !== DESCRIPTION_SCHEMA)
    fail(`has the schema ${JSON.stringify(fields.schema)}`, `This version reads "${DESCRIPTION_SCHEMA}"`);
  onlyFields(fields, ['schema', 'weights', 'positions', 'layers', 'ignore'], 'the description', fail);
  const { weights, positions, layers, ignore = [] } = fields;
  if (!Array.isArray(layers) || layers.length === 0) return fail('"layers" must be a list of at least one layer');
  if (!Array.isArray(ignore) || !ignore.every((name) => typeof name === 'string'))
    return fail('"ignore" must be a list of tensor names');
  const parsed = layers.map((layer, index) => parseLayer(layer, `layer ${index + 1}`, fail));
  if (positions === undefined && parsed.some(({ type }) => type === 'attention'))
    return fail('has attention but no "positions", the number of positions of an input');
  return {
    file,
    positions: positions === undefined ? 1 : positiveInteger(positions, '"positions"', fail),
    ...(weights !== undefined && { weights: name(weights, '"weights"', fail) }),
    layers: parsed,
    ignore,
  };
}

/**
 * The blueprint of a described checkpoint.
 * @throws TensimError `INVALID_FILE` naming the tensors that the description uses and the checkpoint has not, or that the
 * checkpoint has and the description neither uses nor ignores.
 */
export function applyDescription(description: Description, tensors: Tensors, checkpoint: string): Blueprint {
  const blueprint: Blueprint = {
    family: 'custom',
    positions: description.positions,
    layers: description.layers,
  };
  const wanted = new Set(tensorsOf(blueprint));
  const missing = [...wanted].filter((tensor) => !tensors.has(tensor));
  if (missing.length > 0) {
    throw new TensimError('INVALID_FILE', `uses ${quoted(missing)}, not in ${checkpoint}`, {
      file: description.file,
      hint: `The checkpoint has ${quoted([...tensors.keys()])}`,
    });
  }
  const used = new Set(usedTensors(blueprint, tensors));
  const left = [...tensors.keys()].filter((tensor) => !used.has(tensor) && !isIgnored(tensor, description.ignore));
  if (left.length > 0) {
    throw new TensimError('INVALID_FILE', `does not use ${quoted(left)} of ${checkpoint}`, {
      file: description.file,
      hint: 'Add the layers they belong to, or list them under "ignore" if the network does not need them',
    });
  }
  return blueprint;
}

type Fail = (problem: string, hint?: string) => never;
type Fields = Readonly<Record<string, unknown>>;

function parseLayer(json: unknown, title: string, fail: Fail): LayerOf<Place> {
  const fields = record(json, title, fail);
  switch (fields.type) {
    case 'linear':
      return parseLinear(fields, `${title} (linear)`, fail);
    case 'bilinear':
      return parseBilinear(fields, `${title} (bilinear)`, fail);
    case 'attention':
      return parseAttention(fields, `${title} (attention)`, fail);
    default:
      return fail(
        `${title} has the type ${JSON.stringify(fields.type)}`,
        'Layers are "linear", "bilinear" or "attention"',
      );
  }
}

function parseLinear(fields: Fields, title: string, fail: Fail): LinearOf<Place> {
  onlyFields(fields, ['type', 'weight', 'bias', 'transposed', 'meanEnergy'], title, fail);
  const at = placeReader(fields, title, fail);
  const weight = at('weight') ?? fail(`${title} has no "weight"`);
  const { transposed = false } = fields;
  if (typeof transposed !== 'boolean') return fail(`${title}: "transposed" must be true or false`);
  return {
    type: 'linear',
    weight: { ...weight, ...(transposed && { transposed }), ...optional('energy', at('meanEnergy')?.tensor) },
    ...optional('bias', at('bias')),
  };
}

const ATTENTION_PARTS = ['q1', 'k1', 'q2', 'k2', 'v', 'o', 'q', 'k'];

function parseAttention(fields: Fields, title: string, fail: Fail): AttentionOf<Place> {
  const parts = ATTENTION_PARTS.flatMap((part) => [part, `${part}Bias`]);
  onlyFields(fields, ['type', ...parts, 'heads', 'mask', 'rotaryBase', 'alpha', 'beta', 'residual'], title, fail);
  const at = placeReader(fields, title, fail);
  /** A part under its own name, or q1 and q2 both under "q", k1 and k2 under "k". */
  const either = (role: string, suffix = ''): Place | undefined => {
    const single = role.replace(/[12]$/, '');
    if (single !== role && at(single + suffix) !== undefined && at(role + suffix) !== undefined)
      return fail(`${title} has "${single + suffix}" as well as "${role + suffix}"`);
    return at(role + suffix) ?? at(single + suffix);
  };
  const { mask, rotaryBase } = fields;
  if (mask !== 'causal' && mask !== 'none') return fail(`${title}: "mask" must be "causal" or "none"`);
  if (rotaryBase !== null && !(Number.isFinite(rotaryBase) && (rotaryBase as number) > 0))
    return fail(`${title}: "rotaryBase" must be a positive number, or null for no rotary embedding`);
  const required = (role: string): Place => either(role) ?? fail(`${title} has no "${role}"`);
  return {
    type: 'attention',
    heads: positiveInteger(fields.heads, `${title}: "heads"`, fail),
    q1: required('q1'),
    k1: required('k1'),
    q2: required('q2'),
    k2: required('k2'),
    v: required('v'),
    o: required('o'),
    ...optional('q1Bias', either('q1', 'Bias')),
    ...optional('k1Bias', either('k1', 'Bias')),
    ...optional('q2Bias', either('q2', 'Bias')),
    ...optional('k2Bias', either('k2', 'Bias')),
    ...optional('vBias', either('v', 'Bias')),
    ...optional('oBias', either('o', 'Bias')),
    mask,
    rotaryBase: rotaryBase as number | null,
    ...parseResidual(fields, title, fail),
  };
}

function parseBilinear(fields: Fields, title: string, fail: Fail): BilinearOf<Place> {
  const known = ['type', 'left', 'right', 'leftRight', 'leftBias', 'rightBias', 'leftRightBias', 'down', 'downBias'];
  onlyFields(fields, [...known, 'alpha', 'beta', 'residual'], title, fail);
  const at = placeReader(fields, title, fail);
  const [left, right] = sides(at, 'left', 'right', 'leftRight', title, fail);
  const [leftBias, rightBias] = sides(at, 'leftBias', 'rightBias', 'leftRightBias', title, fail);
  return {
    type: 'bilinear',
    left: left ?? fail(`${title} has no "left" (with "right"), and no "leftRight"`),
    right: right ?? fail(`${title} has "left" but no "right"`),
    ...optional('down', at('down')),
    ...optional('leftBias', leftBias),
    ...optional('rightBias', rightBias),
    ...optional('downBias', at('downBias')),
    ...parseResidual(fields, title, fail),
  };
}

/** The two sides from two tensors, or from one that stacks them. */
function sides(at: PlaceReader, left: string, right: string, both: string, title: string, fail: Fail) {
  const stacked = at(both);
  if (stacked === undefined) return [at(left), at(right)];
  if (at(left) !== undefined || at(right) !== undefined)
    fail(`${title} has "${both}" as well as "${at(left) === undefined ? right : left}"`, `"${both}" holds both sides`);
  return [
    { ...stacked, half: 'first' as const },
    { ...stacked, half: 'second' as const },
  ];
}

function parseResidual(fields: Fields, title: string, fail: Fail): { alpha: number; beta: number } {
  const { alpha, beta, residual } = fields;
  if (residual === undefined) {
    return {
      alpha: alpha === undefined ? 0 : number(alpha, `${title}: "alpha"`, fail),
      beta: beta === undefined ? 1 : number(beta, `${title}: "beta"`, fail),
    };
  }
  if (alpha !== undefined || beta !== undefined) fail(`${title} has "residual" as well as "alpha" or "beta"`);
  const kinds = record(residual, `${title}: "residual"`, fail);
  const [kind, ...others] = Object.keys(kinds);
  if ((kind !== 'lerp' && kind !== 'add') || others.length > 0)
    return fail(`${title}: "residual" must be { "lerp": σ } or { "add": scale }`);
  const scale = number(kinds[kind], `${title}: "${kind}"`, fail);
  return kind === 'lerp' ? { alpha: 1 - scale, beta: scale } : { alpha: 1, beta: scale };
}

type PlaceReader = (field: string) => Place | undefined;

const placeReader =
  (fields: Fields, title: string, fail: Fail): PlaceReader =>
  (field) =>
    fields[field] === undefined ? undefined : { tensor: name(fields[field], `${title}: "${field}"`, fail) };

function record(value: unknown, title: string, fail: Fail): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Fields)
    : fail(`${title} must be an object { … }`);
}

function name(value: unknown, title: string, fail: Fail): string {
  return typeof value === 'string' && value !== ''
    ? value
    : fail(`${title} must be a name, not ${JSON.stringify(value)}`);
}

function number(value: unknown, title: string, fail: Fail): number {
  return Number.isFinite(value) ? (value as number) : fail(`${title} must be a number, not ${JSON.stringify(value)}`);
}

function positiveInteger(value: unknown, title: string, fail: Fail): number {
  return Number.isSafeInteger(value) && (value as number) >= 1
    ? (value as number)
    : fail(`${title} must be a whole number from 1, not ${JSON.stringify(value)}`);
}

function onlyFields(fields: Fields, known: readonly string[], title: string, fail: Fail): void {
  const unknown = Object.keys(fields).filter((field) => !known.includes(field));
  if (unknown.length > 0) fail(`${title} has an unknown field ${quoted(unknown)}`, `Known are ${known.join(', ')}`);
}

function optional<K extends string, T>(field: K, value: T | undefined): { [key in K]?: T } {
  return value === undefined ? {} : ({ [field]: value } as { [key in K]: T });
}

/** Whether a name is one of the patterns, in which `*` stands for any characters; linear in the length of the name. */
function isIgnored(tensor: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => {
    const [head, ...rest] = pattern.split('*') as [string, ...string[]];
    const tail = rest.pop();
    if (tail === undefined) return tensor === head;
    if (!tensor.startsWith(head)) return false;
    let from = head.length;
    for (const piece of rest) {
      const at = tensor.indexOf(piece, from);
      if (at < 0) return false;
      from = at + piece.length;
    }
    return tensor.length - tail.length >= from && tensor.endsWith(tail);
  });
}
