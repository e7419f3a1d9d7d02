import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TensimError } from '../../lib/errors.js';
import { createModel, type LayerDefinition, type ModelDefinition } from '../../lib/model/create.js';
import type { BilinearLayer, LinearLayer } from '../../lib/model/model.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { KIND_NAMES, rightLayer } from '../fuzz/mutation/chains.js';
import { Builder } from '../fuzz/mutation/objects.js';
import { random } from '../support/random.js';
import { counting } from './helpers.js';

const linear = (out: number, takes: number): LinearLayer => ({ type: 'linear', weight: counting([out, takes]) });
const bilinear = (takes: number, hidden: number, out: number): LayerDefinition => ({
  type: 'bilinear',
  left: counting([hidden, takes]),
  right: counting([hidden, takes]),
  down: counting([out, hidden]),
});

const attention = () => {
  const side = counting([6, 4]);
  const parts = { q1: side, k1: side, q2: side, k2: side, v: side, o: counting([4, 6]) };
  return { type: 'attention', heads: 3, ...parts, mask: 'causal', rotaryBase: null } as const;
};
const withoutRotary = () => {
  const { rotaryBase: _, ...others } = attention();
  return others;
};

describe('createModel', () => {
  test('works out sizes, degree and parameters of a chain', () => {
    const model = createModel({ layers: [linear(5, 3), bilinear(5, 7, 4), linear(2, 4)], label: 'net' });
    expect(model).toMatchObject({
      label: 'net',
      family: 'custom',
      inputShape: [1, 3],
      outputShape: [1, 2],
      degree: 2,
      parameterCount: 15 + 35 + 35 + 28 + 8,
      provenance: { metadata: {} },
    });
    expect([...model.parameters.keys()]).toEqual([
      'layers.0.weight',
      'layers.1.left',
      'layers.1.right',
      'layers.1.down',
      'layers.2.weight',
    ]);
  });

  test('has degree 1 without and 2^n with n blocks', () => {
    expect(createModel({ layers: [linear(2, 2)] }).degree).toBe(1);
    expect(createModel({ layers: [bilinear(3, 2, 3), bilinear(3, 2, 3), bilinear(3, 2, 3)] }).degree).toBe(8);
  });

  test('attention has degree 5, and the model the positions it is given', () => {
    const model = createModel({ layers: [attention(), attention()], positions: 7 });
    expect(model).toMatchObject({ degree: 25, inputShape: [7, 4], outputShape: [7, 4] });
    expect(model.layers[0]).toMatchObject({ alpha: 0, beta: 1, heads: 3, mask: 'causal', rotaryBase: null });
  });

  test('a bilinear layer has no residual unless it says so', () => {
    const [layer] = createModel({ layers: [bilinear(2, 3, 2)] }).layers;
    expect(layer).toMatchObject({ alpha: 0, beta: 1 });
  });

  test('without down the hidden units are the outputs', () => {
    const { left, right } = bilinear(3, 5, 1) as BilinearLayer;
    expect(createModel({ layers: [{ type: 'bilinear', left, right }] }).outputShape).toEqual([1, 5]);
  });

  test('does not copy contiguous data, and keeps what is shared shared', () => {
    const weight = counting([2, 2]);
    const model = createModel({
      layers: [
        { type: 'linear', weight },
        { type: 'linear', weight },
      ],
      parameters: new Map([['tied', weight]]),
    });
    expect((model.layers[0] as LinearLayer).weight.data).toBe(weight.data);
    expect((model.layers[1] as LinearLayer).weight).toBe(model.parameters.get('tied'));
    expect(model.parameterCount).toBe(4);
  });

  test('is frozen to the bottom, and leaves the objects of the caller alone', () => {
    const weight: Tensor = { data: Float64Array.of(1, 2), shape: [1, 2] };
    const layer: LinearLayer = { type: 'linear', weight };
    const model = createModel({ layers: [layer], provenance: { file: 'a', metadata: { step: '1' } } });
    const kept = (model.layers[0] as LinearLayer).weight;
    for (const part of [model, model.layers, model.layers[0], kept, kept.shape, model.inputShape, model.outputShape])
      expect(Object.isFrozen(part)).toBe(true);
    expect(Object.isFrozen(model.provenance.metadata)).toBe(true);
    const map = model.parameters as Map<string, Tensor>;
    expect(() => map.set('b', weight)).toThrow(TypeError);
    expect(() => map.delete('layers.0.weight')).toThrow(TypeError);
    expect(() => map.clear()).toThrow(TypeError);
    expect(Object.isFrozen(layer) || Object.isFrozen(weight) || Object.isFrozen(weight.shape)).toBe(false);
  });

  test('copies strided tensors to the row-major elements they stand for', () => {
    const strided = fc
      .array(fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 0, max: 5 })), { minLength: 2, maxLength: 2 })
      .map((axes) => ({ shape: axes.map(([extent]) => extent), strides: axes.map(([, stride]) => stride) }));
    fc.assert(
      fc.property(strided, fc.boolean(), ({ shape, strides }, single) => {
        const length = shape.reduce((last, extent, axis) => last + (extent - 1) * strides[axis], 1);
        const numbers = Array.from({ length }, (_, index) => index);
        const data = single ? Float32Array.from(numbers) : Float64Array.from(numbers);
        const model = createModel({ layers: [{ type: 'linear', weight: { data, shape, strides } }] });
        const { weight } = model.layers[0] as LinearLayer;
        const expected = Array.from({ length: shape[0] * shape[1] }, (_, index) => {
          const column = index % shape[1];
          return ((index - column) / shape[1]) * strides[0] + column * strides[1];
        });
        expect(weight.strides).toBeUndefined();
        expect(weight.data.constructor).toBe(data.constructor);
        expect([...weight.data]).toEqual(expected);
      }),
    );
  });

  describe('refuses', () => {
    const cases: [what: string, definition: unknown, code: string, message: RegExp][] = [
      ['no definition', undefined, 'INVALID_ARGUMENT', /layers/],
      ['an empty chain', { layers: [] }, 'INVALID_ARGUMENT', /at least one layer/],
      ['a layer that is none', { layers: [null] }, 'INVALID_ARGUMENT', /layer 1 is not an object/],
      ['an unknown type', { layers: [linear(2, 2), { type: 'relu' }] }, 'UNSUPPORTED_LAYER', /layer 2 .*"relu"/],
      ['a type from the prototype', { layers: [{ type: 'toString' }] }, 'UNSUPPORTED_LAYER', /"toString"/],
      ['a missing part', { layers: [{ type: 'linear' }] }, 'INVALID_ARGUMENT', /layer 1 \(linear\) has no "weight"/],
      [
        'a weight under a wrong name',
        { layers: [{ ...linear(2, 2), bais: counting([2]) }] },
        'INVALID_ARGUMENT',
        /unknown field "bais"/,
      ],
      [
        'a part that is no tensor',
        { layers: [{ type: 'linear', weight: 3 }] },
        'INVALID_ARGUMENT',
        /layers\.0\.weight/,
      ],
      [
        'data that does not fill its shape',
        { layers: [{ type: 'linear', weight: { data: new Float64Array(5), shape: [2, 3] } }] },
        'SHAPE_MISMATCH',
        /layers\.0\.weight.*6 elements, the data 5/,
      ],
      [
        'strides that reach beyond the data',
        { layers: [{ type: 'linear', weight: { data: new Float64Array(5), shape: [2, 3], strides: [3, 1] } }] },
        'SHAPE_MISMATCH',
        /element 5 of data of length 5/,
      ],
      [
        'negative strides',
        { layers: [{ type: 'linear', weight: { data: new Float64Array(6), shape: [2, 3], strides: [3, -1] } }] },
        'SHAPE_MISMATCH',
        /strides \[3, -1\]/,
      ],
      [
        'a layer that takes other features than the one before gives',
        { layers: [linear(5, 3), bilinear(4, 6, 2)] },
        'SHAPE_MISMATCH',
        /"layers\.1\.left".*layer 2 \(bilinear\).*takes 4 features.*layer 1 \(tensor "layers\.0\.weight"\) gives 5/,
      ],
      [
        'sides of different shape',
        { layers: [{ ...bilinear(4, 6, 2), right: counting([5, 4]) }] },
        'SHAPE_MISMATCH',
        /"layers\.0\.right".*\[5, 4\].*"layers\.0\.left" has \[6, 4\]/,
      ],
      [
        'a down that takes other hidden units',
        { layers: [{ ...bilinear(4, 6, 2), down: counting([2, 5]) }] },
        'SHAPE_MISMATCH',
        /"layers\.0\.down".*takes 5 hidden units.*gives 6/,
      ],
      ...(['leftBias', 'rightBias', 'downBias'] as const).map((role): (typeof cases)[number] => [
        `a ${role} of the wrong length`,
        { layers: [{ ...bilinear(4, 6, 2), [role]: counting([7]) }] },
        'SHAPE_MISMATCH',
        new RegExp(`"layers\\.0\\.${role}".*must be \\[${role === 'downBias' ? 2 : 6}\\]`),
      ]),
      [
        'a bias with two axes',
        { layers: [{ ...linear(2, 2), bias: counting([2, 1]) }] },
        'SHAPE_MISMATCH',
        /"layers\.0\.bias".*must be \[2\]/,
      ],
      [
        'a weight with three axes',
        { layers: [{ type: 'linear', weight: counting([2, 1, 2]) }] },
        'SHAPE_MISMATCH',
        /\[2, 1, 2\].*two axes/,
      ],
      ['a weight without elements', { layers: [linear(0, 3)] }, 'SHAPE_MISMATCH', /no elements/],
      [
        'a residual around a change of size',
        { layers: [{ ...bilinear(4, 6, 2), alpha: 1 }] },
        'SHAPE_MISMATCH',
        /takes 4 and gives 2/,
      ],
      [
        'an infinite alpha',
        { layers: [{ ...bilinear(4, 6, 4), alpha: Infinity }] },
        'INVALID_ARGUMENT',
        /alpha is Inf/,
      ],
      [
        'attention without its heads',
        { layers: [{ ...attention(), heads: undefined }] },
        'INVALID_ARGUMENT',
        /heads is undefined/,
      ],
      [
        'attention that does not say its rotary base',
        { layers: [withoutRotary()] },
        'INVALID_ARGUMENT',
        /no "rotaryBase"/,
      ],
      ['another mask', { layers: [{ ...attention(), mask: 'window' }] }, 'INVALID_ARGUMENT', /mask is "window"/],
      ['a rotary base of zero', { layers: [{ ...attention(), rotaryBase: 0 }] }, 'INVALID_ARGUMENT', /rotaryBase is 0/],
      [
        'heads that do not divide',
        { layers: [{ ...attention(), heads: 4 }] },
        'SHAPE_MISMATCH',
        /do not divide into 4 heads/,
      ],
      [
        'odd heads that are rotated',
        { layers: [{ ...attention(), heads: 2, rotaryBase: 10 }] },
        'SHAPE_MISMATCH',
        /3 features/,
      ],
      [
        'keys of another shape',
        { layers: [{ ...attention(), k2: counting([6, 3]) }] },
        'SHAPE_MISMATCH',
        /"layers\.0\.k2".*\[6, 3\]/,
      ],
      [
        'an output of other heads',
        { layers: [{ ...attention(), o: counting([4, 5]) }] },
        'SHAPE_MISMATCH',
        /takes 5 features.*give 6/,
      ],
      ...(['q1Bias', 'k1Bias', 'q2Bias', 'k2Bias', 'vBias', 'oBias'] as const).map((role): (typeof cases)[number] => [
        `a ${role} of the wrong length`,
        { layers: [{ ...attention(), [role]: counting([7]) }] },
        'SHAPE_MISMATCH',
        new RegExp(`"layers\\.0\\.${role}".*must be \\[${role === 'oBias' ? 4 : 6}\\]`),
      ]),
      [
        'attention with a residual around a change of size',
        { layers: [{ ...attention(), o: counting([3, 6]), alpha: 1 }] },
        'SHAPE_MISMATCH',
        /takes 4 and gives 3/,
      ],
      ['no positions', { layers: [attention()], positions: 0 }, 'INVALID_ARGUMENT', /0 positions/],
      ['half a position', { layers: [attention()], positions: 1.5 }, 'INVALID_ARGUMENT', /1.5 positions/],
      ['a beta that is NaN', { layers: [{ ...bilinear(4, 6, 4), beta: NaN }] }, 'INVALID_ARGUMENT', /beta is NaN/],
    ];
    test.each(cases)('%s', (_, definition, code, message) => {
      expect(() => createModel(definition as ModelDefinition)).toThrow(
        expect.objectContaining({ code, message: expect.stringMatching(message) }),
      );
    });

    test('any single NaN or infinity, naming the tensor and the element', () => {
      const bad = fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY);
      fc.assert(
        fc.property(fc.nat(2), fc.nat(3), bad, (row, column, value) => {
          const weight = counting([3, 4]);
          weight.data[row * 4 + column] = value;
          const parameters = new Map([['encoder.w', weight]]);
          expect(() => createModel({ layers: [{ type: 'linear', weight }], parameters })).toThrow(
            expect.objectContaining({
              code: 'NOT_FINITE',
              tensor: 'encoder.w',
              message: expect.stringContaining(`element [${row}, ${column}] is ${value}`),
            }),
          );
        }),
      );
    });

    test('NaN in a parameter that no layer uses', () => {
      const parameters = new Map([['extra', { data: Float32Array.of(Number.NaN), shape: [] }]]);
      expect(() => createModel({ layers: [linear(2, 2)], parameters })).toThrow(
        expect.objectContaining({ tensor: 'extra' }),
      );
    });
  });
});

describe('what is put in the place of a field', () => {
  const strange: Record<string, unknown> = {
    ...{
      undefined,
      null: null,
      symbol: Symbol('s'),
      bigint: 3n,
      function: () => 3,
      object: {},
      list: [],
      words: 'three',
    },
    ...{ bare: Object.create(null), symbols: [Symbol('s')], nan: Number.NaN, date: new Date(3) },
    'a tensor of symbols': { data: [Symbol('s')], shape: [1] },
    'a tensor without data': { data: null, shape: [2, 3], strides: [3, 1] },
    'a shape of symbols': { data: new Float64Array(6), shape: [Symbol('s'), 3] },
    'strides of symbols': { data: new Float64Array(6), shape: [2, 3], strides: [Symbol('s'), 1] },
  };
  const taken = (change: object) => {
    try {
      return createModel(change as ModelDefinition);
    } catch (error) {
      expect(error).toBeInstanceOf(TensimError);
      return undefined;
    }
  };

  test.each(KIND_NAMES)('of a layer of type %s is taken or refused, and nothing else', (type) => {
    const layer = new Builder().build(rightLayer(random(1), 4, type).layer) as LayerDefinition;
    expect(createModel({ layers: [layer] }).inputShape).toEqual([1, 4]);
    for (const field of Object.keys(layer))
      for (const value of Object.values(strange)) taken({ layers: [{ ...layer, [field]: value }] });
    const required = Object.keys(layer).find((field) => field !== 'type')!;
    expect(() => createModel({ layers: [{ ...layer, [required]: undefined }] })).toThrow(TensimError);
  });

  test('of a definition likewise', () => {
    for (const value of Object.values(strange))
      for (const field of ['layers', 'positions', 'parameters']) taken({ layers: [linear(2, 3)], [field]: value });
    expect(() => createModel({ layers: [linear(2, 3)], parameters: {} as never })).toThrow('must be a Map');
  });

  test('is read once: what was checked is what the model is made of', () => {
    let reads = 0;
    const turning = {
      ...bilinear(3, 2, 3),
      get type() {
        return reads++ === 0 ? 'bilinear' : 'linear';
      },
    }; // prettier-ignore
    const model = createModel({ layers: [turning as unknown as LayerDefinition] });
    expect(model.layers.map(({ type }) => type)).toEqual(['bilinear']);
  });
});
