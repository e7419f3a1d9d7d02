import { TensimError } from '../../errors.js';
import { lookAlike } from '../../formats/look_alike.js';
import { parseJson } from '../../formats/text_file.js';
import { type LayerOf, mixesPositions } from '../../layers/layer.js';
import { parseLayer } from '../../layers/parse.js';
import type { Place } from '../../layers/place.js';
import { type Fail, onlyFields, optional, readName, readPositiveInteger, readRecord } from '../../layers/reader.js';
import { kindOf, layerKinds } from '../../layers/table.js';
import { quoted } from '../../words/names.js';
import { matchesAny } from '../../words/pattern.js';
import { valueText } from '../../words/quoting.js';
import { type Blueprint, type Tensors, tensorsOf } from '../blueprint.js';
import { type DescribedBlocks, parseBlocks } from '../transformers/described.js';

export const DESCRIPTION_SCHEMA = 'tensim.model/1';

/**
 * A `model.json`: the layers of a model and the tensors they are made of, so that a checkpoint of any naming can be
 * read.
 *
 *     { "schema": "tensim.model/1",
 *       "weights": "step_100.safetensors",
 *       "layers": [
 *         { "type": "linear", "weight": "encoder.W", "bias": "encoder.b" },
 *         { "type": "bilinear", "leftRight": "mlp.w12", "down": "mlp.w3", "residual": { "lerp": 0.5 } } ],
 *       "ignore": ["optimizer.*"] }
 *
 * - `layers`: each of a `type`, with the fields that its kind reads (lib/layers/<kind>.ts, `parse`), and perhaps a
 *   `remark`. Where a field names a tensor it may also describe what is made of one (lib/layers/reader.ts, `readPlace`).
 * - `remarks`: texts for who reads it, in no layer; `$schema`: for editors, the place of the JSON schema.
 * - `positions`: of an input, default 1; attention, and whatever else mixes positions, needs it.
 * - `blocks`: in their place, or beside them, where the blocks of a transformer are, for `tensim blocks`
 *   (lib/model/transformers/described.ts).
 * - `weights`: the checkpoint, relative to the model.json; with it the model.json can itself be given as the model.
 * - `ignore`: names of tensors that are knowingly left out; `*` stands for anything. Every other tensor must be used.
 */
export interface Description {
  /** The model.json. */
  readonly file: string;
  readonly weights?: string;
  readonly positions: number;
  /** None where only blocks are described. */
  readonly layers: readonly LayerOf<Place>[];
  readonly blocks?: DescribedBlocks;
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
    json = parseJson(text);
  } catch (error) {
    const hint = /^\s*[{[]/.test(text) ? undefined : lookAlike(Buffer.from(text.slice(0, 64)));
    return fail(`is not JSON: ${(error as Error).message}`, hint);
  }
  const fields = readRecord(json, 'the description', fail);
  if (fields.schema !== DESCRIPTION_SCHEMA)
    fail(`has the schema ${valueText(fields.schema)}`, `This version reads "${DESCRIPTION_SCHEMA}"`);
  onlyFields(
    fields,
    ['$schema', 'schema', 'remarks', 'weights', 'positions', 'layers', 'blocks', 'ignore'],
    'the description',
    fail,
  );
  const { weights, positions, layers: given, ignore = [], remarks = [] } = fields;
  if (!Array.isArray(remarks) || !remarks.every((remark) => typeof remark === 'string'))
    return fail('"remarks" must be a list of texts');
  const blocks = fields.blocks === undefined ? undefined : parseBlocks(fields.blocks, file, fail);
  const layers = given ?? (blocks === undefined ? undefined : []);
  if (!Array.isArray(layers) || (layers.length === 0 && given !== undefined))
    return fail('"layers" must be a list of at least one layer');
  if (!Array.isArray(ignore) || !ignore.every((name) => typeof name === 'string'))
    return fail('"ignore" must be a list of tensor names');
  const parsed = layers.map((layer, index) => parseLayer(layer, `layer ${index + 1}`, fail, layerKinds));
  const mixing = parsed.find(mixesPositions);
  if (positions === undefined && mixing !== undefined)
    return fail(`has ${kindOf(mixing).words.noun} but no "positions", the number of positions of an input`);
  return {
    file,
    positions: positions === undefined ? 1 : readPositiveInteger(positions, '"positions"', fail),
    ...optional('weights', weights === undefined ? undefined : readName(weights, '"weights"', fail)),
    layers: parsed,
    ...optional('blocks', blocks),
    ignore,
  };
}

/**
 * The blueprint of a described checkpoint, whose tensors are given by the names that descriptions have for them.
 * @throws TensimError `INVALID_FILE` naming the tensors that the description uses and the checkpoint has not, or that
 * the checkpoint has and the description neither uses nor ignores; `UNSUPPORTED_LAYER` where it describes blocks only
 */
export function applyDescription(description: Description, tensors: Tensors, checkpoint: string): Blueprint {
  if (description.layers.length === 0)
    throw new TensimError('UNSUPPORTED_LAYER', 'describes the blocks of a transformer, and no layers', {
      file: description.file,
      hint: 'Blocks are compared by "tensim blocks"; add "layers" for a network that is a chain of them',
    });
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
  const used = new Set([...wanted].map((tensor) => tensors.get(tensor)!.name));
  const unused = [...tensors].filter(
    ([own, { name }]) =>
      !used.has(name) && !matchesAny(own, description.ignore) && !matchesAny(name, description.ignore),
  );
  const left = [...new Set(unused.map(([, { name }]) => name))];
  if (left.length > 0) {
    throw new TensimError('INVALID_FILE', `does not use ${quoted(left)} of ${checkpoint}`, {
      file: description.file,
      hint: 'Add the layers they belong to, or list them under "ignore" if the network does not need them',
    });
  }
  return blueprint;
}
