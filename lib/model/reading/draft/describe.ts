import type { LayerOf } from '../../../layers/layer.js';
import type { Place } from '../../../layers/place.js';
import { kindOf } from '../../../layers/table.js';
import type { Blueprint } from '../../blueprint.js';
import { DESCRIPTION_SCHEMA } from '../description.js';

/** A layer as it stands in a model.json. */
export type Described = Readonly<Record<string, unknown>>;

/** The description of a blueprint; undefined for one with parts that no description has: those of graphs. */
export function describedBlueprint({ positions, layers }: Blueprint): Described | undefined {
  const described = layers.map(describedLayer);
  if (!described.every((layer) => layer !== undefined)) return undefined;
  return { schema: DESCRIPTION_SCHEMA, ...(positions > 1 && { positions }), layers: described };
}

function describedLayer(layer: LayerOf<Place>): Described | undefined {
  const { parts, defaults } = kindOf(layer);
  const values = layer as unknown as Readonly<Record<string, unknown>>;
  const fields: Record<string, unknown> = { type: layer.type };
  for (const role of [...parts.required, ...parts.optional]) {
    const place = values[role] as Place | undefined;
    if (place === undefined) continue;
    const named = describedPlace(place);
    if (named === undefined) return undefined;
    fields[role] = named;
  }
  for (const field of parts.fields) if (values[field] !== defaults[field]) fields[field] = values[field];
  if (!parts.branches) return fields;
  const branches = (values.branches as readonly (readonly LayerOf<Place>[])[]).map((branch) =>
    branch.map(describedLayer),
  );
  return branches.flat().every((inner) => inner !== undefined) ? { ...fields, branches } : undefined;
}

/** A name where a place is a tensor as it is, and what is made of it where it is not. */
function describedPlace({ tensor, half, transposed, energy, gain, made }: Place): unknown {
  if (made !== undefined && (made.as !== 'matrix' || made.power !== 1)) return undefined;
  const madeOfIt = {
    ...(half !== undefined && { half }),
    ...(transposed === true && { transposed }),
    ...(made !== undefined && { factor: made.factor }),
    ...(gain !== undefined && { gain }),
    ...(energy !== undefined && { meanEnergy: energy }),
  };
  return Object.keys(madeOfIt).length === 0 ? tensor : { tensor, ...madeOfIt };
}
