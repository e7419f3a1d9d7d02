import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TensimError } from '../../lib/errors.js';
import { ACTIVATION_NAMES, activationNamed } from '../../lib/layers/activations.js';
import { layerKinds } from '../../lib/layers/table.js';
import { parseDescription } from '../../lib/model/reading/description.js';
import { LAYERS, READ, REFUSED, SCHEMA, SMALLEST } from './descriptions.js';

const root = join(import.meta.dirname, '..', '..');
const file = 'schemas/tensim.model.1.schema.json';
const schema = JSON.parse(readFileSync(join(root, file), 'utf8'));
// Fields that other fields forbid stand in conditions beside those that they are declared in.
const isValid = new Ajv2020({ strict: true, strictRequired: false, strictTypes: false, allErrors: false }).compile(
  schema,
);

/** What the reader says against a description; undefined where it is read. */
function problemOf(description: unknown): TensimError | undefined {
  try {
    parseDescription(typeof description === 'string' ? description : JSON.stringify(description), 'model.json');
  } catch (error) {
    if (error instanceof TensimError) return error;
    throw error;
  }
  return undefined;
}

describe('the JSON schema of a model.json', () => {
  test('is shipped', () => {
    const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    expect(manifest.files).toContain('schemas');
    expect(manifest.exports).toMatchObject({ './schemas/*': './schemas/*' });
  });

  test('has every kind of layer, each with the fields that its reader knows', () => {
    expect(Object.keys(SMALLEST).sort()).toEqual([...layerKinds.types].sort());
    for (const type of layerKinds.types) {
      const hint = problemOf({ schema: SCHEMA, layers: [{ ...SMALLEST[type], nonsense: 1 }] })?.hint;
      const known = /^Known are (.*)$/.exec(hint ?? '')?.[1].split(', ');
      expect(Object.keys(schema.$defs[type].properties).sort(), type).toEqual([...new Set(known)].sort());
    }
  });

  test('takes what is read', () => {
    for (const description of READ) {
      expect(problemOf(description)).toBeUndefined();
      isValid(JSON.parse(JSON.stringify(description)));
      expect(isValid.errors ?? []).toEqual([]);
    }
  });

  test.each(REFUSED)('does not take a description %s', (_, description) => {
    const json = typeof description === 'string' ? description : JSON.stringify(description);
    expect(isValid(JSON.parse(json))).toBe(false);
  });

  test('takes the names of activations that are known, however they are written, and no others', () => {
    const names = [
      ...ACTIVATION_NAMES,
      'Swish',
      'gelu_new',
      'LeakyReLU',
      'Hard-Swish',
      ' relu ',
      'nope',
      'relu7',
      '',
      'gelu!',
    ];
    for (const activation of names) {
      const layers = [{ type: 'hidden', weight: 'w', activation }];
      expect(isValid({ schema: SCHEMA, layers }), activation).toBe(activationNamed(activation) !== undefined);
    }
  });

  test('takes what the reader takes, whatever is changed in a description', () => {
    const name = fc.constantFrom('w', '', { tensor: 'w' }, { tensor: 'w', half: 'first' }, { half: 'first' });
    const value = fc.oneof(
      name,
      fc.constantFrom<unknown>(
        0,
        1,
        2,
        0.5,
        -1,
        null,
        true,
        false,
        [1, 2],
        [0, 1],
        [1],
        [],
        {},
        { lerp: 0.5 },
        { add: 1 },
      ),
      fc.constantFrom<unknown>(
        'causal',
        'none',
        'half',
        'mean',
        'relu',
        'elu',
        { lerp: 1, add: 1 },
        [[LAYERS[1]]],
        [[]],
      ),
    );
    const edited = fc.constantFrom(...layerKinds.types).chain((type) => {
      const field = fc.constantFrom(...Object.keys(schema.$defs[type].properties), 'nonsense');
      return fc
        .array(fc.tuple(field, fc.option(value, { nil: undefined })), { maxLength: 3 })
        .map((edits) => ({ ...SMALLEST[type], ...Object.fromEntries(edits) }));
    });
    const description = fc.record(
      {
        schema: fc.constant(SCHEMA),
        layers: fc.array(edited, { minLength: 1, maxLength: 2 }),
        positions: fc.constantFrom(1, 3, 0),
      },
      { requiredKeys: ['schema', 'layers'] },
    );
    fc.assert(
      fc.property(description, (candidate) => {
        const json = JSON.parse(JSON.stringify(candidate));
        const problem = problemOf(json);
        // How many heads share keys is a matter of both numbers, which no schema compares.
        if (problem !== undefined && /do not share/.test(problem.message)) return;
        expect(isValid(json), problem?.message).toBe(problem === undefined);
      }),
      { numRuns: 2000 },
    );
  });
});
