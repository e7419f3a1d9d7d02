import { listed } from '../words/names.js';
import { valueText } from '../words/quoting.js';
import type { LayerKind } from './kind.js';
import type { Place } from './place.js';
import { type Fail, LayerReader, readRecord } from './reader.js';
import type { KindTable } from './registry.js';
import type { LayerOf } from './types.js';

/** A layer of a model.json. @param depth layers that it lies within. */
export function parseLayer(
  json: unknown,
  title: string,
  fail: Fail,
  kinds: KindTable<LayerKind>,
  depth = 0,
): LayerOf<Place> {
  const fields = readRecord(json, title, fail);
  const { type } = fields;
  const kind = typeof type === 'string' ? kinds.find(type) : undefined;
  if (kind !== undefined)
    return kind.parse(new LayerReader(fields, `${title} (${kind.type})`, fail, depth)) as LayerOf<Place>;
  const types = kinds.types.map((known) => `"${known}"`);
  return fail(`${title} has the type ${valueText(type)}`, `Layers are ${listed(types, 'or')}`);
}
