/** A JSON Schema, of the keywords that ours are made of. */
export interface Schema {
  readonly [keyword: string]: unknown;
}

const SAYS_NOTHING = ['$schema', '$id', '$defs', 'title', 'description'];
const KNOWN = [
  ...['$ref', 'type', 'const', 'enum', 'anyOf', 'required', 'properties', 'additionalProperties', 'items'],
  ...['minimum', 'maximum'],
];

/**
 * What is wrong with data by a schema, as lines of a place and a fault; fields that no schema names are a fault too, as
 * what a schema does not tell is told by nobody.
 * @throws Error for a keyword that is not known here: it would go unchecked
 */
export function faultsBy(root: Schema, data: unknown): string[] {
  return [...faults(root, data, '$')];

  function* faults(schema: Schema, value: unknown, place: string): Generator<string> {
    const strange = Object.keys(schema).filter(
      (keyword) => !KNOWN.includes(keyword) && !SAYS_NOTHING.includes(keyword),
    );
    if (strange.length > 0) throw new Error(`unknown keywords: ${strange}`);
    if (typeof schema.$ref === 'string') yield* faults(resolved(schema.$ref), value, place);
    if ('const' in schema && schema.const !== value) yield `${place} is not ${schema.const}`;
    if (Array.isArray(schema.enum) && !schema.enum.includes(value)) yield `${place} is none of ${schema.enum}`;
    if (schema.type !== undefined && ![schema.type].flat().some((type) => isOf(type as string, value)))
      yield `${place} is no ${schema.type}`;
    if (typeof value === 'number') {
      if (value < ((schema.minimum as number) ?? value)) yield `${place} is below ${schema.minimum}`;
      if (value > ((schema.maximum as number) ?? value)) yield `${place} is above ${schema.maximum}`;
    }
    if (Array.isArray(schema.anyOf)) {
      const all = schema.anyOf.map((one) => [...faults(one, value, place)]);
      if (all.every((found) => found.length > 0))
        yield* all.reduce((least, one) => (one.length < least.length ? one : least));
    }
    if (Array.isArray(value) && schema.items !== undefined)
      for (const [i, item] of value.entries()) yield* faults(schema.items as Schema, item, `${place}[${i}]`);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) yield* fields(schema, value, place);
  }

  function* fields(schema: Schema, value: object, place: string): Generator<string> {
    for (const name of (schema.required as string[]) ?? []) if (!(name in value)) yield `${place} is without ${name}`;
    const own = (schema.properties ?? {}) as Record<string, Schema>;
    const others = schema.additionalProperties as Schema | undefined;
    for (const [name, field] of Object.entries(value)) {
      const known = own[name] ?? others;
      if (known !== undefined) yield* faults(known, field, `${place}.${name}`);
      else if (schema.properties !== undefined) yield `${place}.${name} is not in the schema`;
    }
  }

  function resolved(reference: string): Schema {
    const found = (root.$defs as Record<string, Schema>)[reference.replace('#/$defs/', '')];
    if (found === undefined) throw new Error(`no ${reference}`);
    return found;
  }
}

function isOf(type: string, value: unknown): boolean {
  if (type === 'null') return value === null;
  if (type === 'array') return Array.isArray(value);
  if (type === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value);
  return type === 'integer' ? Number.isInteger(value) : typeof value === type;
}
