import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkBlueprint } from '../../lib/model/blueprint.js';
import { recognise, unrecognised } from '../../lib/model/families/recognise.js';
import { ModelSettings } from '../../lib/model/settings.js';
import { bilinearShapes, deepShapes, listing, type Shapes } from './helpers.js';

const familyOf = (shapes: Shapes, metadata = {}) => recognise(listing(shapes), new ModelSettings('f', metadata));
const without = (shapes: Shapes, name: string): Shapes =>
  Object.fromEntries(Object.entries(shapes).filter(([key]) => key !== name));

describe('bilinear', () => {
  test('is recognised with and without biases, and its sides are the halves of one tensor', () => {
    expect(familyOf(bilinearShapes())?.layers).toEqual([
      {
        type: 'bilinear',
        left: { tensor: 'bi_linear.weight', half: 'first' },
        right: { tensor: 'bi_linear.weight', half: 'second' },
        down: { tensor: 'projection.weight' },
        alpha: 0,
        beta: 1,
      },
    ]);
    const biases = { ...bilinearShapes(), 'bi_linear.bias': [6], 'projection.bias': [2] };
    expect(familyOf(biases)?.layers[0]).toMatchObject({
      leftBias: { tensor: 'bi_linear.bias', half: 'first' },
      rightBias: { tensor: 'bi_linear.bias', half: 'second' },
      downBias: { tensor: 'projection.bias' },
    });
  });

  test('refuses an odd number of rows by the name of the tensor', () => {
    const tensors = listing({ ...bilinearShapes(), 'bi_linear.weight': [7, 4] });
    const blueprint = recognise(tensors, new ModelSettings('f', {}));
    expect(() => checkBlueprint(blueprint as never, tensors, 'f')).toThrow(
      expect.objectContaining({ code: 'SHAPE_MISMATCH', tensor: 'bi_linear.weight', file: 'f' }),
    );
  });
});

describe('deep', () => {
  test('has its blocks in order of number, whatever the order in the file', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 12 }),
        fc.boolean(),
        fc.infiniteStream(fc.nat()),
        (blocks, biases, keys) => {
          const entries = Object.entries(deepShapes(blocks, biases)).map((entry) => ({
            entry,
            key: keys.next().value,
          }));
          const shuffled = Object.fromEntries(entries.sort((a, b) => a.key - b.key).map(({ entry }) => entry));
          const tensors = listing(shuffled);
          const blueprint = recognise(tensors, new ModelSettings('f', {}));
          expect(blueprint?.family).toBe('deep');
          expect(blueprint?.layers.slice(1, -1).map((layer) => layer.type === 'bilinear' && layer.left.tensor)).toEqual(
            Array.from({ length: blocks }, (_, index) => `body.${index}.l.weight`),
          );
          expect(checkBlueprint(blueprint as never, tensors, 'f')).toEqual({
            inputs: 3,
            outputs: 2,
            degree: 2 ** blocks,
          });
        },
      ),
    );
  });

  test.each([
    [undefined, 0, 1],
    ['1.0', 0, 1],
    ['0.25', 0.75, 0.25],
    ['-2e0', 3, -2],
    ['0', 1, 0],
  ])('reads the scale %s as α = %s, β = %s', (scale, alpha, beta) => {
    const blueprint = familyOf(deepShapes(1), scale === undefined ? {} : { scale });
    expect(blueprint?.layers[1]).toMatchObject({ alpha, beta });
  });

  test.each(['', 'nan', 'inf', '0x1', '1,5', '1e999', 'half'])('refuses the scale "%s"', (scale) => {
    expect(() => familyOf(deepShapes(1), { scale })).toThrow(
      expect.objectContaining({ code: 'INVALID_FILE', message: expect.stringContaining(`"scale" is "${scale}"`) }),
    );
  });

  test('accepts biases on the embedding and the head', () => {
    const blueprint = familyOf({ ...deepShapes(1), 'embed.bias': [4], 'head.bias': [2] });
    expect(blueprint?.layers[0]).toMatchObject({ bias: { tensor: 'embed.bias' } });
    expect(blueprint?.layers[2]).toMatchObject({ bias: { tensor: 'head.bias' } });
  });

  test('a residual needs blocks that keep the width', () => {
    const tensors = listing({ ...deepShapes(1), 'body.0.d.weight': [5, 6], 'head.weight': [2, 5] });
    const blueprint = recognise(tensors, new ModelSettings('f', { scale: '0.5' }));
    expect(() => checkBlueprint(blueprint as never, tensors, 'f')).toThrow(/takes 4 and gives 5/);
  });
});

describe('what is no family', () => {
  const why = (shapes: Shapes) => unrecognised(listing(shapes), 'net.safetensors').message;

  test('lacks any one of the tensors or has one more', () => {
    for (const shapes of [bilinearShapes(), deepShapes(2)]) {
      for (const name of Object.keys(shapes)) {
        expect(familyOf(without(shapes, name))).toBeUndefined();
        expect(why(without(shapes, name))).toContain(`"${name}" missing`);
      }
      expect(familyOf({ ...shapes, 'norm.weight': [4] })).toBeUndefined();
      expect(why({ ...shapes, 'norm.weight': [4] })).toMatch(/with "norm.weight" left over; .*normalisation/);
    }
  });

  test('is described by what was found and the nearest family, in a few lines', () => {
    const error = unrecognised(listing(without(deepShapes(2), 'body.1.d.weight')), 'net.safetensors');
    expect(error).toMatchObject({ code: 'UNSUPPORTED_LAYER', file: 'net.safetensors' });
    expect(error.message).toMatch(/of no known family; found "embed.weight", .* and 3 more/);
    expect(error.message).toContain('the nearest is deep, with "body.1.d.weight" missing');
    expect(error.message).toContain('model.json');
    expect(error.message).toContain('--measure weights');
    expect(error.message.length).toBeLessThan(400);
    expect(error.message).not.toContain('\n');
  });

  test('has no nearest family if not one name is known', () => {
    expect(why({ 'a.w': [1, 1] })).not.toContain('nearest');
    expect(why({})).toContain('found no tensors');
  });

  test('block numbers must count from 0: a gap is named from both sides', () => {
    const gap = Object.fromEntries(
      Object.entries(deepShapes(2)).map(([name, shape]) => [name.replace('body.1', 'body.999999999'), shape]),
    );
    expect(familyOf(gap)).toBeUndefined();
    expect(why(gap)).toMatch(/"body.1.l.weight".* missing and "body.999999999.l.weight".* left over/);
  });

  test.each([
    ['h.0.attn.c_attn.weight', 'is a transformer with a softmax in its attention'],
    ['model.layers.0.self_attn.q_proj.weight', 'is a transformer with a softmax in its attention'],
    ['rnn.weight_hh_l0', 'is a recurrent network'],
  ])('%s is known for what it is: %s', (name, meaning) => {
    expect(why({ 'x.weight': [1, 1], [name]: [1] })).toContain(`${meaning} ("${name}")`);
  });

  test.each([
    ['h.0.q1.weight', 'quadratic attention'],
    ['transformer.h.0.ln_1.weight', 'normalisation'],
    ['model.norm.weight', 'normalisation'],
    ['bn1.weight', 'normalisation'],
    ['mlp.gate_proj.weight', 'gate'],
    ['conv1.weight', 'convolution'],
  ])('%s gives away: %s', (name, meaning) => {
    expect(why({ 'x.weight': [1, 1], [name]: [1] })).toContain(`"${name}" looks like `);
    expect(why({ 'x.weight': [1, 1], [name]: [1] })).toContain(meaning);
  });

  test('names from the file cannot break the line', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' }), { maxLength: 9 }), (names) => {
        const message = why(Object.fromEntries(names.map((name) => [name, [1]])));
        expect(message).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}]/u);
      }),
    );
  });
});
