import { deflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { decodeHeader, encodeHeader, isSameHeader, type ShardHeader } from '../../lib/shards/header.js';

const header: ShardHeader = {
  schema: 'tensim.part/1',
  version: '0',
  index: 2,
  count: 2,
  matrix: {
    rows: 3,
    columns: 0,
    window: null,
    labels: ['a', 'b', 'c'],
    bounds: [0, 1, 3],
    rowGroups: 2,
    tiles: [0, 0, 0, 1, 1, 1],
    starts: [0, 2, 3],
  },
  setting: '{"measure":"weights"}',
  info: {
    ...{ measure: 'weights', method: 'exact', exact: true, route: null, estimates: [], standardError: null },
    ...{ sampling: null, input: null, dtype: 'float64', backend: 'fallback' },
  },
  names: ['w'],
  perOutput: false,
  degrees: false,
  models: [[1, 'a'.repeat(64), { file: 'b.pt', sha256: 'c'.repeat(64) }]],
};

const decoded = (value: unknown) => decodeHeader(deflateRawSync(JSON.stringify(value)));

describe('what a state file says of its shard', () => {
  it('is read as it was written', () => {
    expect(decodeHeader(encodeHeader(header))).toEqual(header);
    expect(isSameHeader(header, decodeHeader(encodeHeader(header))!)).toBe(true);
    expect(isSameHeader(header, { ...header, index: 1 })).toBe(false);
  });

  it.each([
    ['another schema', { schema: 'tensim.shard/1' }],
    ['a shard that there is not', { index: 3 }],
    ['no number of shards', { count: 0.5 }],
    ['a setting that is no JSON', { setting: '{' }],
    ['a measure that is none', { info: { ...header.info, measure: 'x' } }],
    ['labels of other models', { matrix: { ...header.matrix, labels: ['a'] } }],
    ['bounds that fall', { matrix: { ...header.matrix, bounds: [0, 2, 1, 3] } }],
    ['tiles beyond the groups', { matrix: { ...header.matrix, tiles: [0, 0, 0, 1, 1, 9] } }],
    ['half a tile', { matrix: { ...header.matrix, tiles: [0, 0, 0] } }],
    ['starts beyond the tiles', { matrix: { ...header.matrix, starts: [0, 2, 9] } }],
    ['a model at no place', { models: [[7, 'a'.repeat(64), {}]] }],
    ['an identity that is no digest', { models: [[1, '__proto__', {}]] }],
    ['a source that is more', { models: [[1, 'a'.repeat(64), { file: 3 }]] }],
    ['no matrix', { matrix: null }],
  ])('is not believed with %s', (_, change) => {
    expect(decoded({ ...header, ...change })).toBeUndefined();
  });

  it('takes no memory where it unfolds into gigabytes, or is no JSON', () => {
    expect(decodeHeader(deflateRawSync(Buffer.alloc(2 ** 28 + 1, 32)))).toBeUndefined();
    expect(decodeHeader(Buffer.from('nonsense'))).toBeUndefined();
    expect(decoded(null)).toBeUndefined();
  });
});
