import { quoted } from '../words/names.js';
import { valueText } from '../words/quoting.js';
import type { Place } from './place.js';

/** Reports what is wrong with a description, naming its file. */
export type Fail = (problem: string, hint?: string) => never;
export type Fields = Readonly<Record<string, unknown>>;

/** One layer of a model.json while it is read by its kind. Everything that is wrong names the layer and the field. */
export class LayerReader {
  /** `layer 2 (bilinear)`. */
  readonly title: string;
  readonly fields: Fields;
  readonly fail: Fail;
  /** Layers that it lies within. */
  readonly depth: number;

  constructor(fields: Fields, title: string, fail: Fail, depth = 0) {
    this.fields = fields;
    this.title = title;
    this.fail = fail;
    this.depth = depth;
  }

  /** Refuses every field but `type`, `remark` and these. */
  only(known: readonly string[]): void {
    const { remark } = this.fields;
    onlyFields(this.fields, ['type', 'remark', ...known], this.title, this.fail);
    if (remark !== undefined && typeof remark !== 'string') this.fail(`${this.#named('remark')} must be a text`);
  }

  /** The tensor that a field names, or describes as what is made of one; undefined without the field. */
  place(field: string): Place | undefined {
    const value = this.fields[field];
    if (value === undefined) return undefined;
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? readPlace(value, this.#named(field), this.fail)
      : { tensor: readName(value, this.#named(field), this.fail) };
  }

  /** The same, for a part that must be there. */
  required(field: string): Place {
    return this.place(field) ?? this.fail(`${this.title} has no "${field}"`);
  }

  /** The place as a field to spread; nothing without it. */
  optional<Role extends string>(role: Role): { readonly [key in Role]?: Place } {
    return optional(role, this.place(role));
  }

  /** The name of a tensor; undefined without the field. */
  name(field: string): string | undefined {
    const value = this.fields[field];
    return value === undefined ? undefined : readName(value, this.#named(field), this.fail);
  }

  number(field: string): number {
    return readNumber(this.fields[field], this.#named(field), this.fail);
  }

  positiveInteger(field: string): number {
    return readPositiveInteger(this.fields[field], this.#named(field), this.fail);
  }

  #named(field: string): string {
    return `${this.title}: "${field}"`;
  }
}

/**
 * What is made of a tensor: `{ "tensor": name }` with any of `"half"`, `"first"` or `"second"` of its rows,
 * `"transposed": true`, `"factor"`, a number that it is multiplied by, `"gain"`, the tensor of one number or of one for
 * each column by which its columns are, and `"meanEnergy"` as of a linear layer.
 */
function readPlace(value: object, title: string, fail: Fail): Place {
  const fields = readRecord(value, title, fail);
  onlyFields(fields, ['tensor', 'half', 'transposed', 'factor', 'gain', 'meanEnergy'], title, fail);
  const { tensor, half, transposed = false, factor, gain, meanEnergy } = fields;
  if (half !== undefined && half !== 'first' && half !== 'second')
    return fail(`${title}: "half" must be "first" or "second"`);
  if (typeof transposed !== 'boolean') return fail(`${title}: "transposed" must be true or false`);
  return {
    tensor: readName(tensor, `${title}: "tensor"`, fail),
    ...(half !== undefined && { half }),
    ...(transposed && { transposed }),
    ...(meanEnergy !== undefined && { energy: readName(meanEnergy, `${title}: "meanEnergy"`, fail) }),
    ...(gain !== undefined && { gain: readName(gain, `${title}: "gain"`, fail) }),
    ...(factor !== undefined && {
      made: { as: 'matrix', factor: readNumber(factor, `${title}: "factor"`, fail), power: 1 },
    }),
  };
}

/** A value under a role, as a field to spread; nothing where it is undefined. */
export function optional<Role extends string, T>(role: Role, value: T | undefined): { readonly [key in Role]?: T } {
  return value === undefined ? {} : ({ [role]: value } as { [key in Role]: T });
}

export function readRecord(value: unknown, title: string, fail: Fail): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Fields)
    : fail(`${title} must be an object { … }`);
}

export function readName(value: unknown, title: string, fail: Fail): string {
  return typeof value === 'string' && value !== '' ? value : fail(`${title} must be a name, not ${valueText(value)}`);
}

export function readNumber(value: unknown, title: string, fail: Fail): number {
  return Number.isFinite(value) ? (value as number) : fail(`${title} must be a number, not ${valueText(value)}`);
}

export function readPositiveInteger(value: unknown, title: string, fail: Fail): number {
  return Number.isSafeInteger(value) && (value as number) >= 1
    ? (value as number)
    : fail(`${title} must be a whole number from 1, not ${valueText(value)}`);
}

export function onlyFields(fields: Fields, known: readonly string[], title: string, fail: Fail): void {
  const unknown = Object.keys(fields).filter((field) => !known.includes(field));
  if (unknown.length > 0) fail(`${title} has an unknown field ${quoted(unknown)}`, `Known are ${known.join(', ')}`);
}
