import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { TensimError } from '../../lib/errors.js';
import { SCHEMAS } from '../../lib/report/schemas.js';
import { verifyJson } from '../../lib/report/verify/json.js';
import type { Verification } from '../../lib/report/verify/sheet.js';
import { faultsBy } from '../support/json_schema.js';
import { checksOf, failingPair, faultOf, mergedTensor, mergeOf, pairOf } from './verify_fixture.js';

const schema = JSON.parse(readFileSync(join(import.meta.dirname, '../../schemas/tensim.verify.1.schema.json'), 'utf8'));
const isValid = new Ajv2020({ strict: true, strictRequired: true, strictTypes: true }).compile(schema);
const plain = (asked: Verification) => JSON.parse(JSON.stringify(verifyJson(asked)));
const error = new TensimError('INVALID_FILE', 'ends too early', { file: 'model.gguf' });

const quantised = {
  ...{ format: 'Q4_K', blocks: 5632, error: 0.06, best: 0.055 },
  worst: { block: 1234, error: 0.13, best: 0.08 },
};
const results: Readonly<Record<string, Verification>> = {
  'a pair that is the same': pairOf(),
  'a pair with a fault': failingPair(3),
  'a pair with all that there may be': pairOf({
    layouts: [
      { kind: 'interleaved-pairs', text: 'rows', layers: [0, 2] },
      { kind: 'rotated-stream', text: 'rotated', certificate: { orthogonality: 1e-16, residual: 0 } },
    ],
    tensors: [...checksOf(1), ...checksOf(1, () => ({ state: 'quantised', error: null, quantised }))],
    reference: { file: 'a', sha256: '', layout: null, types: [] },
    faults: [faultOf({ cause: 'setting', tensor: null, layer: null, tensors: [] })],
  }),
  'a merge': mergeOf({ faults: [faultOf({ cause: 'changed-elsewhere' })] }),
  'a merge of nothing': mergeOf({ tensors: [mergedTensor({ layer: null, factor: null, error: null })] }),
  'an error of a pair': { ...pairOf(), end: { error } },
  'an error of a merge': { ...mergeOf(), end: { error } },
};

describe('the schema of tensim.verify/1', () => {
  test.each(Object.keys(results))('holds for %s', (name) => {
    const data = plain(results[name]);
    expect(faultsBy(schema, data)).toEqual([]);
    expect(isValid(data)).toBe(true);
  });

  test('is called what results name', () => {
    const names = [schema.$id, schema.title, schema.$defs.pair.properties.schema.const];
    expect(new Set(names)).toEqual(new Set([SCHEMAS.verify]));
  });

  test('has the causes and the verdicts of the code, all of them', () => {
    const terms = readFileSync(join(import.meta.dirname, '../../lib/verify/terms.ts'), 'utf8');
    const union = (name: string) => {
      const [, text] = new RegExp(`export type ${name} (=.*?);\n\n`, 's').exec(terms)!;
      return [...text.matchAll(/[|=] '([a-z-]+)'/g)].map(([, word]) => word);
    };
    expect(union('FaultCause').length).toBeGreaterThan(20);
    expect(schema.$defs.fault.properties.cause.enum).toEqual(union('FaultCause'));
    expect(schema.$defs.pair.properties.verdict.enum).toEqual(union('VerifyVerdict'));
    expect(schema.$defs.outcome.enum).toEqual(union('VerifyOutcome'));
  });

  test('does not hold for anything else', () => {
    const pair = plain(results['a pair with all that there may be']);
    const merge = plain(results['a merge']);
    const [fault] = pair.faults;
    const [tensor] = pair.tensors;
    const changed = [
      { ...pair, schema: 'tensim.verify/2' },
      { ...pair, kind: 'merge' },
      { ...pair, outcome: 'error' },
      { ...pair, verdict: 'fine' },
      { ...pair, faults: [{ ...fault, cause: 'bad luck' }] },
      { ...pair, tensors: [{ ...tensor, error: -1 }] },
      { ...pair, tensors: [{ ...tensor, state: 'merged' }] },
      { ...pair, notes: undefined },
      { ...merge, tensors: [{ ...merge.tensors[0], factor: '1' }] },
      { ...merge, adapters: [{ ...merge.adapters[0], rank: 1.5 }] },
    ].map((data) => JSON.parse(JSON.stringify(data)));
    for (const data of changed) {
      expect(faultsBy(schema, data), JSON.stringify(data).slice(0, 80)).not.toEqual([]);
      expect(isValid(data)).toBe(false);
    }
    expect(faultsBy(schema, { ...pair, more: 1 })).toEqual(['$.more is not in the schema']);
  });
});
