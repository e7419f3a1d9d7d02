import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isRowMajor, isWalkable, rowMajorStrides, StorageWalk, spanOf } from '../../lib/formats/strided.js';
import { sizeOf } from '../../lib/tensor/tensor.js';
import { runs } from '../support/campaign.js';

interface View {
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

/** A dense block with its axes in any order, every so-many-th element of each, some axes repeated. */
const views: fc.Arbitrary<View> = fc
  .array(
    fc.record({ extent: fc.nat(4), step: fc.integer({ min: 1, max: 3 }), repeated: fc.boolean(), key: fc.nat() }),
    { maxLength: 5 },
  )
  .map((axes) => {
    let stride = 1;
    const placed = axes.map(({ extent, step, repeated, key }) => {
      const axis = { extent, stride: repeated ? 0 : stride * step, key };
      if (!repeated) stride *= Math.max(1, extent) * step;
      return axis;
    });
    const mixed = placed.sort((a, b) => a.key - b.key);
    return { shape: mixed.map(({ extent }) => extent), strides: mixed.map((axis) => axis.stride) };
  });

/** Places of the elements in row-major order, one by one. */
function placesOf({ shape, strides }: View): number[] {
  const places: number[] = [];
  for (let index = 0; index < sizeOf(shape); index++) {
    let [rest, place] = [index, 0];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      place += (rest % shape[axis]) * strides[axis];
      rest = Math.floor(rest / shape[axis]);
    }
    places.push(place);
  }
  return places;
}

test('every transposed, sliced or expanded tensor is walked through once, from front to back, in pieces of any size', () => {
  fc.assert(
    fc.property(views, fc.integer({ min: 1, max: 9 }), (view, piece) => {
      const { shape, strides } = view;
      const places = placesOf(view);
      const span = spanOf(shape, strides);
      expect(span).toBe(places.length === 0 ? 0 : Math.max(...places) + 1);
      expect(isWalkable(shape, strides)).toBe(true);
      expect(isRowMajor(shape, strides)).toBe(places.every((place, index) => place === index));
      const values = Float64Array.from({ length: span }, (_, place) => 7 * place + 1);
      const target = new Float64Array(places.length);
      const walk = new StorageWalk(shape, strides);
      for (let from = 0; from < span; from += piece) walk.scatter(values.subarray(from, from + piece), from, target);
      expect([...target]).toEqual(places.map((place) => 7 * place + 1));
    }),
    { numRuns: runs(500) },
  );
});

test('what overlaps is not walkable', () => {
  expect(isWalkable([2, 2], [1, 1])).toBe(false);
  expect(isWalkable([3, 3], [2, 1])).toBe(false);
  expect(isWalkable([3, 2], [2, 1])).toBe(true);
  expect(rowMajorStrides([2, 3, 4])).toEqual([12, 4, 1]);
});
