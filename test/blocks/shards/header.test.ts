import { describe, expect, it } from 'vitest';
import { isNetworkDigest } from '../../../lib/blocks/shards/digest.js';
import { isFound } from '../../../lib/blocks/shards/found.js';
import { type BlocksHeader, headersIn } from '../../../lib/blocks/shards/header.js';
import { dealt, type Unit } from '../../../lib/blocks/shards/units.js';
import { random } from '../../support/random.js';

const network = { layout: 'llama', left: [], settings: {} };
const header: BlocksHeader = {
  ...{ schema: 'tensim.blocks-part/1', index: 2, count: 3 },
  places: [{ path: 'a/', files: ['a/model.safetensors'] }, { path: 'b/' }],
  common: {
    what: 'pair',
    setting: { version: '0', what: 'pair', backend: 'fallback' },
    networks: [network, network],
    numbers: [0, 1],
    methods: ['whole', 'sampled'],
    units: [
      ['embedding', 1],
      [0, 1],
      [1, 2],
      ['norms', 1],
      [{ digest: 0 }, 3],
      [{ digest: 1 }, 1],
    ],
    ...{ width: 12, input: 'standard', window: 64, alignment: 'heads', backend: 'fallback' },
  },
};

const read = (record: unknown, key = 'part 2/3') => headersIn(new Map([[key, JSON.parse(JSON.stringify(record))]]));
const withCommon = (change: object) => ({ ...header, common: { ...header.common, ...change } });

describe('what a state file says of its shard of blocks', () => {
  it('is read as it was written', () => {
    expect(read(header)).toEqual([header]);
    expect(read(header, 'part 2/3 of something')).toEqual([]);
  });

  it.each<[string, object]>([
    ['another schema', { ...header, schema: 'tensim.part/1' }],
    ['another shard than its key', { ...header, index: 1 }],
    ['a shard that there is not', { ...header, index: 4 }],
    ['places of other networks', { ...header, places: [{ path: 'a/' }] }],
    ['a path that is none', { ...header, places: [{ path: 3 }, { path: 'b/' }] }],
    ['nothing in common', { ...header, common: null }],
    ['a pair of three', withCommon({ networks: [network, network, network] })],
    ['no setting', withCommon({ setting: null })],
    ['a layer that there is not', withCommon({ units: [[2, 1]] })],
    ['a digest of no network', withCommon({ units: [[{ digest: 2 }, 1]] })],
    ['a unit that is none', withCommon({ units: [['__proto__', 1]] })],
    ['a unit of no shard', withCommon({ units: [[0, 4]] })],
    ['methods of other layers', withCommon({ methods: ['whole'] })],
    ['an alignment that is none', withCommon({ alignment: 'x' })],
    ['a rotation that is none', withCommon({ rotation: { about: { from: [], residual: 'x' }, digest: null } })],
  ])('is not believed with %s', (_, changed) => {
    expect(read(changed)).toEqual([]);
  });
});

it('a digest of a network is one, or nothing', () => {
  const digest = { sha256: 'a'.repeat(64), layers: ['x'], others: {} };
  expect(isNetworkDigest(digest)).toBe(true);
  for (const change of [{ sha256: 'a' }, { layers: 'x' }, { others: null }, { laws: 3 }])
    expect(isNetworkDigest({ ...digest, ...change })).toBe(false);
  for (const found of [undefined, null, 3, []]) expect(isNetworkDigest(found)).toBe(false);
});

describe('what is kept of a unit', () => {
  const weights = { cosine: 1, nmse: null, equal: false };
  const layer = {
    ...{ layer: 0, weights, mlp: { similarity: 1, fidelityError: 0 } },
    attention: { heads: [{ head: 0, answeredBy: 0, qk: null, ov: 1 }], ov: null },
  };
  const matrices = { layer: 0, attention: { qk: [[1, null]], ov: [[1]] } };

  it('is taken', () => {
    expect(isFound('pair', 0, layer)).toBe(true);
    expect(isFound('matrix', 0, matrices)).toBe(true);
    expect(isFound('pair', 'embedding', {})).toBe(true);
    expect(isFound('pair', 'embedding', { compared: weights })).toBe(true);
    expect(isFound('pair', 'norms', { norms: [{ norm: 'final', gain: weights }] })).toBe(true);
  });

  it.each<[string, 'pair' | 'matrix', Unit, unknown]>([
    ['nothing', 'pair', 0, undefined],
    ['a layer without weights', 'pair', 0, { ...layer, weights: undefined }],
    ['an MLP that is none', 'pair', 0, { ...layer, mlp: { similarity: '1' } }],
    ['attention without heads', 'pair', 0, { ...layer, attention: { ov: null } }],
    ['heads that are none', 'pair', 0, { ...layer, attention: { heads: [3], ov: null } }],
    ['experts that are none', 'pair', 0, { ...layer, experts: { experts: 3 } }],
    ['matrices that are none', 'matrix', 0, { ...matrices, attention: { qk: [3], ov: [] } }],
    ['an end without numbers', 'pair', 'embedding', { compared: { cosine: 'x' } }],
    ['norms that are none', 'pair', 'norms', { norms: [null] }],
  ])('is not there where it is %s', (_, what, unit, record) => {
    expect(isFound(what, unit, record)).toBe(false);
  });
});

describe('units', () => {
  const { uniform } = random(4);
  const costs = Array.from({ length: 50 }, () => uniform() ** 4);
  const sum = (owners: readonly number[], shard: number) =>
    costs.reduce((all, cost, at) => all + (owners[at] === shard ? cost : 0), 0);

  it.each([1, 2, 7, 50, 60])(
    'are dealt to %i shards so that none has more than the largest above the mean',
    (count) => {
      const owners = dealt(costs, count);
      const loads = Array.from({ length: count }, (_, shard) => sum(owners, shard + 1));
      const mean = loads.reduce((all, load) => all + load, 0) / count;
      expect(owners.every((owner) => owner >= 1 && owner <= count)).toBe(true);
      expect(Math.max(...loads)).toBeLessThanOrEqual(mean + Math.max(...costs) + 1e-12);
      expect(dealt(costs, count)).toEqual(owners);
    },
  );

  it('of equal cost go round', () => {
    expect(dealt([1, 1, 1, 1, 1], 2)).toEqual([1, 2, 1, 2, 1]);
  });
});
