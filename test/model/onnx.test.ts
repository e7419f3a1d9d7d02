import { describe, expect, test } from 'vitest';
import { evaluate } from '../../lib/evaluation/evaluate.js';
import { inspect } from '../../lib/model/reading/inspect.js';
import { loadModel } from '../../lib/model/reading/load.js';
import { fileIn, rejection, temporaryFolder } from '../formats/safetensors/helpers.js';
import { type GraphParts, integers, node, onnx, tensor, valueInfo } from '../support/onnx.js';

const folder = temporaryFolder();
const W = [1, -2, 3, 0.5, 4, -1]; // (2, 3) or (3, 2)
const file = (parts: GraphParts) => fileIn(folder, 'model.onnx', onnx(parts));
/** f(x) of a graph of three inputs for x = (1, 2, −1), to the last bits of float32. */
async function outputOf(parts: GraphParts, x = [1, 2, -1]): Promise<number[]> {
  const model = await loadModel(file(parts));
  return [...(await evaluate(model, { data: Float64Array.from(x), shape: [1, x.length] })).data];
}
const close = (values: readonly number[]) => values.map((value) => expect.closeTo(value, 6));
const wT = tensor('w', [3, 2], [1, 0.5, -2, 4, 3, -1]); // Wᵀ
const w = tensor('w', [2, 3], W);
const b = tensor('b', [2], [10, 20]);
const Wx = [-6, 9.5];

describe('linear layers of graphs', () => {
  const gemm = (attributes: Record<string, number>, by = w, more: Partial<GraphParts> = {}): GraphParts => ({
    nodes: [node('Gemm', ['x', 'w', 'b'], ['y'], attributes)],
    tensors: [by, b],
    input: ['n', 3],
    ...more,
  });
  test.each<[string, GraphParts, number[]]>([
    ['Gemm with transB', gemm({ transB: 1 }), [4, 29.5]],
    ['Gemm', gemm({}, wT), [4, 29.5]],
    ['Gemm with α and β', gemm({ transB: 1, alpha: 0.5, beta: 2.5 }), [22, 54.75]],
    ['Gemm with a bias for all', gemm({ transB: 1 }, w, { tensors: [w, tensor('b', [1], [1])] }), [-5, 10.5]],
    ['Gemm from the left', { nodes: [node('Gemm', ['w', 'x'], ['y'])], tensors: [w], input: [3, 1] }, Wx],
    [
      'Gemm of a transposed input',
      { nodes: [node('Gemm', ['x', 'w'], ['y'], { transA: 1, transB: 1 })], tensors: [w], input: [3, 1] },
      Wx,
    ],
    ['MatMul from the right', { nodes: [node('MatMul', ['x', 'w'], ['y'])], tensors: [wT], input: ['n', 3] }, Wx],
    ['MatMul from the left', { nodes: [node('MatMul', ['w', 'x'], ['y'])], tensors: [w], input: [3] }, Wx],
    ['MatMul of an input of no known shape', { nodes: [node('MatMul', ['x', 'w'], ['y'])], tensors: [wT] }, Wx],
    [
      'MatMul by a transposed constant, and Add',
      {
        nodes: [
          node('Constant', [], ['c'], { value: tensor('', [2, 3], W) }),
          node('Transpose', ['c'], ['ct'], { perm: [1, 0] }),
          node('MatMul', ['x', 'ct'], ['m']),
          node('Add', ['b', 'm'], ['y']),
        ],
        tensors: [b],
        input: [1, 3],
      },
      [4, 29.5],
    ],
  ])('%s', async (_, parts, wanted) => {
    expect(await outputOf(parts)).toEqual(close(wanted));
    expect((await inspect(file(parts))).layers).toHaveLength(1);
  });

  test.each<[string, string, readonly string[], number[]]>([
    ['x + c', 'Add', ['x', 'c'], [3, 6, 4]],
    ['x − c', 'Sub', ['x', 'c'], [-1, -2, -6]],
    ['c − x', 'Sub', ['c', 'x'], [1, 2, 6]],
    ['x c', 'Mul', ['c', 'x'], [2, 8, -5]],
    ['x / c', 'Div', ['x', 'c'], [0.5, 0.5, -0.2]],
    ['x / s of one number', 'Div', ['x', 's'], [0.25, 0.5, -0.25]],
    ['x + s of one number', 'Add', ['s', 'x'], [5, 6, 3]],
  ])('%s is one by itself', async (_, op, inputs, wanted) => {
    const tensors = [tensor('c', [1, 3], [2, 4, 5]), tensor('s', [], [4])];
    expect(await outputOf({ nodes: [node(op, inputs, ['y'])], tensors, input: ['n', 3] })).toEqual(close(wanted));
  });

  test('a division by zero names the tensor', async () => {
    const parts = { nodes: [node('Div', ['x', 'c'], ['y'])], tensors: [tensor('c', [3], [1, 0, 1])], input: [1, 3] };
    expect(await rejection(loadModel(file(parts)))).toMatchObject({ code: 'NOT_FINITE', tensor: 'c' });
  });

  test('a normalised image, flattened, is that of the network behind it', async () => {
    const parts: GraphParts = {
      nodes: [
        node('Sub', ['x', 'mean'], ['s']),
        node('Flatten', ['s'], ['f'], { axis: 1 }),
        node('MatMul', ['f', 'w'], ['m']),
        node('Add', ['m', 'b'], ['a']),
        node('Relu', ['a'], ['y']),
      ],
      tensors: [tensor('mean', [1, 1, 1, 3], [1, 1, 1]), wT, b],
      // Initializers are inputs too, as old versions want it.
      inputs: [
        valueInfo('w', [3, 2]),
        valueInfo('x', [1, 1, 1, 3]),
        valueInfo('mean', [1, 1, 1, 3]),
        valueInfo('b', [2]),
      ],
    };
    expect(await outputOf(parts)).toEqual(close([2, 26]));
    expect((await inspect(file(parts))).layers).toEqual([
      'linear 3 → 3, with a bias',
      'hidden 3 → 2 relu, with a bias',
    ]);
  });
});

describe('activations of graphs', () => {
  const x = [1, 2, -1];
  test.each<[string, Record<string, number | string>, (value: number) => number]>([
    ['Relu', {}, (v) => Math.max(v, 0)],
    ['LeakyRelu', { alpha: 0.25 }, (v) => (v > 0 ? v : v / 4)],
    ['LeakyRelu', {}, (v) => (v > 0 ? v : v / 100)],
    ['Sigmoid', {}, (v) => 1 / (1 + Math.exp(-v))],
    ['Tanh', {}, Math.tanh],
    ['Softplus', {}, (v) => Math.log1p(Math.exp(v))],
    ['Elu', { alpha: 0.5 }, (v) => (v > 0 ? v : 0.5 * Math.expm1(v))],
    ['Selu', {}, (v) => 1.0507009873554805 * (v > 0 ? v : 1.6732632423543772 * Math.expm1(v))],
    ['HardSigmoid', { alpha: 1 / 6, beta: 0.5 }, (v) => Math.min(Math.max(v / 6 + 0.5, 0), 1)],
    [
      'Gelu',
      { approximate: 'tanh' },
      (v) => (v / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3))),
    ],
    ['HardSwish', {}, (v) => (v * Math.min(Math.max(v + 3, 0), 6)) / 6],
    ['Abs', {}, Math.abs],
    ['Sin', {}, Math.sin],
  ])('%s %o', async (op, attributes, phi) => {
    expect(await outputOf({ nodes: [node(op, ['x'], ['y'], attributes)], input: ['n', 3] })).toEqual(close(x.map(phi)));
  });

  test('Erf and the exact Gelu are each other’s', async () => {
    const [erf] = await outputOf({ nodes: [node('Erf', ['x'], ['y'])], input: [1] }, [Math.SQRT1_2]);
    const [gelu] = await outputOf({ nodes: [node('Gelu', ['x'], ['y'])], input: [1] }, [1]);
    expect(gelu).toBeCloseTo((1 + erf) / 2, 7);
    expect(erf).toBeCloseTo(0.6826894921, 7);
  });

  test('PRelu with a slope for each, and Clip by its bounds', async () => {
    const slopes = tensor('a', [3], [0.5, 0.25, 0.125]);
    const prelu = { nodes: [node('PRelu', ['x', 'a'], ['y'])], tensors: [slopes], input: ['n', 3] };
    expect(await outputOf(prelu, [-1, -1, -1])).toEqual([-0.5, -0.25, -0.125]);
    const bounds = [tensor('low', [], [0]), tensor('high', [], [6])];
    const clip = { nodes: [node('Clip', ['x', 'low', 'high'], ['y'])], tensors: bounds, input: ['n', 3] };
    expect(await outputOf(clip, [-1, 3, 9])).toEqual([0, 3, 6]);
    expect((await inspect(file(clip))).layers).toEqual(['relu6 3']);
  });

  test.each([
    ['HardSigmoid', {}],
    ['Selu', { alpha: 1.5 }],
    ['Gelu', { approximate: 'sigmoid' }],
    ['Clip', { min: -2.5 }],
  ])('%s with parameters that none has is refused', async (op, attributes) => {
    const error = await rejection(loadModel(file({ nodes: [node(op, ['x'], ['y'], attributes)], input: ['n', 3] })));
    expect(error).toMatchObject({ code: 'UNSUPPORTED_LAYER' });
    expect(error.message).toContain(`(${op})`);
  });
});

describe('views keep the features and their order', () => {
  const behind = (nodes: readonly Uint8Array[], tensors: readonly Uint8Array[] = []): GraphParts => ({
    nodes: [...nodes, node('MatMul', ['v', 'w'], ['m']), node('Relu', ['m'], ['y'])],
    tensors: [wT, ...tensors],
    input: ['n', 1, 3],
  });
  test.each<[string, GraphParts]>([
    ['Reshape', behind([node('Reshape', ['x', 's'], ['v'])], [integers('s', [-1, 3])])],
    ['Reshape by copies', behind([node('Reshape', ['x', 's'], ['v'])], [integers('s', [0, -1])])],
    ['Reshape of one', behind([node('Reshape', ['x', 's'], ['v'])], [integers('s', [1, 3])])],
    ['Squeeze', behind([node('Squeeze', ['x', 's'], ['v'])], [integers('s', [1])])],
    ['Unsqueeze', behind([node('Unsqueeze', ['x'], ['v'], { axes: [1] })])],
    ['Transpose of ones', behind([node('Transpose', ['x'], ['v'], { perm: [1, 0, 2] })])],
    ['Identity and Dropout', behind([node('Identity', ['x'], ['i']), node('Dropout', ['i'], ['v', 'mask'])])],
    ['Cast to float32', behind([node('Cast', ['x'], ['v'], { to: 1 })])],
    [
      'what PyTorch makes of x.view(x.size(0), -1)',
      behind(
        [
          node('Shape', ['x'], ['shape']),
          node('Gather', ['shape', 'zero'], ['size'], { axis: 0 }),
          node('Unsqueeze', ['size'], ['first'], { axes: [0] }),
          node('Concat', ['first', 'rest'], ['target'], { axis: 0 }),
          node('Reshape', ['x', 'target'], ['v']),
        ],
        [integers('zero', [0]), integers('rest', [-1])],
      ),
    ],
  ])('%s', async (_, parts) => {
    expect(await outputOf(parts)).toEqual(close([0, 9.5]));
  });

  test.each<[string, GraphParts, RegExp]>([
    [
      'a transposed image',
      { nodes: [node('Transpose', ['x'], ['y'], { perm: [0, 2, 1] })], input: [1, 2, 3] },
      /order/,
    ],
    [
      'rows of a batch made features',
      { nodes: [node('Flatten', ['x'], ['y'], { axis: 0 })], input: ['n', 3] },
      /order/,
    ],
    ['a shape of other size', behind([node('Reshape', ['x', 's'], ['v'])], [integers('s', [-1, 2])]), /order/],
    ['a cast that rounds', behind([node('Cast', ['x'], ['v'], { to: 10 })]), /Cast/],
    [
      'dropout while it is trained',
      behind([node('Dropout', ['x', '', 't'], ['v'])], [tensor('t', [], [], { type: 9, raw: Uint8Array.of(1) })]),
      /Dropout/,
    ],
  ])('%s is refused', async (_, parts, problem) => {
    const error = await rejection(loadModel(file(parts)));
    expect(error).toMatchObject({ code: 'UNSUPPORTED_LAYER' });
    expect(error.message).toMatch(problem);
  });
});

describe('what is no chain is refused by its node', () => {
  const relu = node('Relu', ['x'], ['r']);
  test.each<[string, GraphParts, RegExp]>([
    [
      'an operation that is unknown',
      { nodes: [node('Softmax', ['x'], ['y'])], input: ['n', 3] },
      /"Softmax of y" \(Softmax\) is no layer/,
    ],
    ['one of others', { nodes: [node('Gelu', ['x'], ['y'], {}, 'com.microsoft')], input: ['n', 3] }, /"com.microsoft"/],
    [
      'a path around a layer',
      { nodes: [relu, node('Add', ['r', 'x'], ['y'])], input: ['n', 3] },
      /takes "x" beside.*no chain/s,
    ],
    ['two branches', { nodes: [relu, node('Tanh', ['x'], ['y'])], input: ['n', 3] }, /no chain/],
    ['a square', { nodes: [node('Mul', ['x', 'x'], ['y'])], input: ['n', 3] }, /no chain/],
    [
      'two outputs',
      { nodes: [relu, node('Tanh', ['r'], ['y'])], input: ['n', 3], outputs: ['r', 'y'] },
      /gives "r", "y"|gives "r" and "y"/,
    ],
    ['two inputs', { nodes: [relu], inputs: [valueInfo('x', [3]), valueInfo('z', [3])] }, /2 inputs/],
    [
      'rows that are mapped one by one',
      { nodes: [node('MatMul', ['x', 'w'], ['y'])], tensors: [wT], input: [1, 4, 3] },
      /no linear layer of all features/,
    ],
    [
      'a matrix that would mix a batch',
      { nodes: [node('MatMul', ['w', 'x'], ['y'])], tensors: [w], input: ['n', 3] },
      /no linear layer/,
    ],
    [
      'a matrix of other size',
      { nodes: [node('Gemm', ['x', 'w'], ['y'])], tensors: [w], input: ['n', 3] },
      /no linear layer/,
    ],
    [
      'a constant for a part of the features',
      { nodes: [node('Mul', ['x', 'c'], ['y'])], tensors: [tensor('c', [2, 1], [1, 2])], input: ['n', 2, 3] },
      /no linear layer/,
    ],
    [
      'a constant that would grow the input',
      { nodes: [node('Add', ['x', 'c'], ['y'])], tensors: [tensor('c', [3], [1, 2, 3])], input: [3, 1] },
      /no linear layer/,
    ],
    [
      'one over the input',
      { nodes: [node('Div', ['c', 'x'], ['y'])], tensors: [tensor('c', [3], [1, 2, 3])], input: [3] },
      /no linear layer/,
    ],
    ['an activation of an unknown width', { nodes: [node('Relu', ['x'], ['y'])] }, /does not say the shape/],
    [
      'elements of a type that is not read',
      {
        nodes: [node('MatMul', ['x', 'w'], ['y'])],
        tensors: [tensor('w', [3, 2], [], { type: 22, raw: Uint8Array.of(1, 2, 3) })],
        input: ['n', 3],
      },
      /type 22/,
    ],
    ['no layers', { nodes: [node('Identity', ['x'], ['y'])], input: ['n', 3] }, /no layers/],
  ])('%s', async (_, parts, problem) => {
    const error = await rejection(loadModel(file(parts)));
    expect(error).toMatchObject({ code: 'UNSUPPORTED_LAYER' });
    expect(error.message).toMatch(problem);
    expect((await inspect(file(parts))).problems).toEqual([{ code: error.code, message: error.message }]);
  });

  test('but its tensors are still parameters for the measure of weights, without shapes and axes', async () => {
    const parts = { nodes: [node('Softmax', ['x'], ['y'])], tensors: [w, integers('s', [-1, 3])], input: ['n', 3] };
    const model = await loadModel(file(parts), { unknown: 'parameters' });
    expect([...model.parameters.keys()]).toEqual(['w']);
  });
});
