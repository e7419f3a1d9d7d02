import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { similarityOfBlocks } from '../../lib/blocks/similarity_of_blocks.js';
import type { Alignment } from '../../lib/blocks/terms.js';
import { blocksJson } from '../../lib/report/blocks/json.js';
import { SCHEMAS } from '../../lib/report/schemas.js';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { writeNetwork } from '../support/block_files.js';
import { faultsBy } from '../support/json_schema.js';
import { gauged, llamaTensors, smallLayer } from '../support/transformers.js';

const schema = JSON.parse(readFileSync(join(import.meta.dirname, '../../schemas/tensim.blocks.1.schema.json'), 'utf8'));
const root = temporaryFolder();
const config = { n_head: 4, num_key_value_heads: 2, hidden_act: 'silu' };
const layers = [smallLayer(1), smallLayer(2)];
const base = writeNetwork(root, 'base', llamaTensors(layers), config);
const silent = { ...smallLayer(2), query: new Float64Array(16 * 12), value: new Float64Array(8 * 12) };
const others = [
  writeNetwork(root, 'same', llamaTensors(layers.map((one, i) => gauged(one, 3 + i))), config),
  writeNetwork(root, 'other', llamaTensors([smallLayer(5), smallLayer(6)]), config),
  writeNetwork(root, 'silent', llamaTensors([layers[0], silent]), config),
];
const results = (align: Alignment) =>
  Promise.all(
    others.map(async (other) =>
      JSON.parse(JSON.stringify(blocksJson(await similarityOfBlocks(base, other, { align })))),
    ),
  );

describe('the schema of tensim.blocks/1', () => {
  test.each<Alignment>(['none', 'heads', 'units', 'rotation'])('holds for results with %s aligned', async (align) => {
    for (const result of await results(align)) expect(faultsBy(schema, result)).toEqual([]);
  });

  test('is called what results name', () => {
    expect([schema.$id, schema.properties.schema.const]).toEqual([SCHEMAS.blocks, SCHEMAS.blocks]);
  });

  test('does not hold for anything else', async () => {
    const [result] = await results('units');
    const [layer] = result.layers;
    const changed: [object, RegExp][] = [
      [{ ...result, schema: 'tensim.blocks/2' }, /schema/],
      [{ ...result, alignment: 'all' }, /alignment/],
      [{ ...result, layers: [{ ...layer, mlp: { ...layer.mlp, similarity: 1.5 } }] }, /mlp\.similarity is above 1/],
      [{ ...result, layers: [{ ...layer, mlp: { ...layer.mlp, fidelityError: -1e-9 } }] }, /fidelityError is below 0/],
      [{ ...result, layers: [{ ...layer, weights: undefined }] }, /weights is no object/],
      [{ ...result, worst: 'layer 3' }, /worst is no/],
      [{ ...result, more: 1 }, /more is not in the schema/],
    ];
    for (const [data, fault] of changed) expect(faultsBy(schema, data).join('\n')).toMatch(fault);
    const { worst, ...rest } = result;
    expect(faultsBy(schema, rest)).toEqual(['$ is without worst']);
  });
});
