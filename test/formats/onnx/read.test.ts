import { describe, expect, test } from 'vitest';
import { openCheckpoint } from '../../../lib/formats/checkpoint.js';
import { message, node, onnx, tensor } from '../../support/onnx.js';
import { fileIn, rejection, temporaryFolder } from '../safetensors/helpers.js';

const folder = temporaryFolder();
const bytesOf = (values: Float32Array | Float64Array | Uint16Array) => new Uint8Array(values.buffer);
const small = onnx({
  nodes: [node('MatMul', ['x', 'w'], ['y'])],
  tensors: [tensor('w', [2, 3], [1, 2, 3, 4, 5, 6])],
  metadata: { step: '7', __proto__: 'no' },
});

async function read(bytes: Uint8Array, name = 'w') {
  const checkpoint = await openCheckpoint(fileIn(folder, 'model.onnx', bytes));
  try {
    return { ...(await checkpoint.read(name)), format: checkpoint.format, metadata: checkpoint.metadata };
  } finally {
    await checkpoint.close();
  }
}
const withTensor = (...tensors: Uint8Array[]) => onnx({ nodes: [node('MatMul', ['x', 'w'], ['y'])], tensors });
const refusal = (bytes: Uint8Array, name = 'model.onnx') => rejection(openCheckpoint(fileIn(folder, name, bytes)));

describe('tensors of ONNX', () => {
  test('lie where they are, by name, with the metadata of the model', async () => {
    expect(await read(small)).toEqual({
      data: Float32Array.of(1, 2, 3, 4, 5, 6),
      shape: [2, 3],
      format: 'onnx',
      metadata: Object.assign(Object.create(null), { step: '7' }),
    });
  });

  test.each([
    ['float32 in float_data', { type: 1, raw: bytesOf(Float32Array.of(1.5, -2)), field: 4 }, Float32Array],
    ['float64 in double_data', { type: 11, raw: bytesOf(Float64Array.of(1.5, -2)), field: 10 }, Float64Array],
    ['float64 in raw_data', { type: 11, raw: bytesOf(Float64Array.of(1.5, -2)), field: 9 }, Float64Array],
    ['float16', { type: 10, raw: bytesOf(Uint16Array.of(0x3e00, 0xc000)), field: 9 }, Float32Array],
    ['bfloat16', { type: 16, raw: bytesOf(Uint16Array.of(0x3fc0, 0xc000)), field: 9 }, Float32Array],
  ])('%s are read exactly', async (_, how, Type) => {
    expect((await read(withTensor(tensor('w', [2], [], how)))).data).toEqual(Type.of(1.5, -2));
  });

  test('those of Constant nodes have the names of what the nodes give', async () => {
    const nodes = [node('Constant', [], ['c'], { value: tensor('', [2], [3, 4]) }), node('Add', ['x', 'c'], ['y'])];
    expect((await read(onnx({ nodes }), 'c')).data).toEqual(Float32Array.of(3, 4));
  });

  test.each(['', '.bin', '.pt', '.weights'])('are found under the ending "%s"', async (ending) => {
    const checkpoint = await openCheckpoint(fileIn(folder, `other${ending}`, small));
    await checkpoint.close();
    expect([checkpoint.format, checkpoint.tensors.size]).toEqual(['onnx', 1]);
  });
});

describe('what is damaged or hostile is refused', () => {
  test('wherever the file is cut short', async () => {
    const graph = small.length - Buffer.from(message([14, message([1, 'step'], [2, '7'])])).length;
    for (let length = 0; length < graph; length++) {
      const error = await refusal(small.subarray(0, length));
      expect([length, error.code, error.hint !== undefined]).toEqual([length, 'INVALID_FILE', true]);
    }
    expect((await refusal(small.subarray(0, 40))).message).toMatch(/cut short/);
    expect((await refusal(Buffer.alloc(0))).message).toMatch(/is empty/);
  });

  test.each([
    [
      'elements in another file',
      tensor('w', [2], [], { raw: message([1, 'location']), field: 13 }),
      /another file.*onnx\.save/s,
    ],
    ['fewer elements than its shape has', tensor('w', [2, 2], [1, 2, 3]), /has 12 bytes of 16/],
    ['a shape below zero', tensor('w', [-1], [1]), /no tensor has/],
    ['a shape beyond all numbers', tensor('w', [2 ** 40, 2 ** 40], [1]), /no tensor has/],
    ['no elements', message([1, 2], [2, 1], [8, 'w']), /has no elements/],
    ['more axes than any', tensor('w', Array(40).fill(1), [1]), /more than 32 axes/],
  ])('%s', async (_, one, problem) => {
    const error = await refusal(withTensor(one));
    expect(error).toMatchObject({ code: 'INVALID_FILE' });
    expect(error.message).toMatch(problem);
  });

  test('two tensors of one name, groups, and lengths beyond what holds them', async () => {
    expect((await refusal(withTensor(tensor('w', [1], [1]), tensor('w', [1], [2])))).message).toMatch(
      /two tensors "w"/,
    );
    expect((await refusal(Buffer.of(0x08, 8, 0x3b, 0x0a, 0x00))).message).toMatch(/has a group|no message/);
    const nested = message([1, 8], [7, Buffer.of(0x2a, 0x7f, 0)], [14, message([1, 'a'], [2, 'b'])]);
    expect((await refusal(Buffer.from(nested))).message).toMatch(/ends behind it/);
    expect((await refusal(Buffer.from(message([1, 8], [2, 'someone'])))).message).toMatch(/has no graph/);
  });

  test('a graph of endlessly many nodes, before the memory is full', async () => {
    const one = node('Relu', ['x'], ['x']);
    const parts = Buffer.concat(Array(100_000).fill(message([1, one])));
    expect((await refusal(Buffer.from(message([1, 8], [7, parts])))).message).toMatch(/would fill the memory/);
  });
});
