import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { evaluate } from '../../lib/evaluation/evaluate.js';
import type { BilinearLayer } from '../../lib/model/model.js';
import { inspect } from '../../lib/model/reading/inspect.js';
import { type LoadOptions, loadModel } from '../../lib/model/reading/load.js';
import { similarity } from '../../lib/similarity/similarity.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { fileIn, rejection, temporaryFolder } from '../formats/safetensors/helpers.js';
import { counting, type Shapes, writeCheckpoint } from './helpers.js';

const root = temporaryFolder();
let folders = 0;

/** Small numbers of both signs, the same for the same shapes. */
function made(shapes: Shapes): Map<string, Tensor> {
  let state = 7;
  const next = () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647 - 0.5;
  };
  return new Map(
    Object.entries(shapes).map(([name, shape]) => {
      const size = shape.reduce((product, extent) => product * extent, 1);
      return [name, { data: Float64Array.from({ length: size }, next), shape }];
    }),
  );
}

/** A checkpoint in a folder of its own, with files of these names beside it. */
async function checkpoint(
  tensors: Shapes | ReadonlyMap<string, Tensor>,
  beside: Readonly<Record<string, object>> = {},
) {
  const folder = join(root, `${folders++}`);
  mkdirSync(folder);
  for (const [name, fields] of Object.entries(beside)) fileIn(folder, name, JSON.stringify(fields));
  return writeCheckpoint(folder, 'net.safetensors', tensors instanceof Map ? tensors : made(tensors as Shapes));
}

type Matrix = readonly (readonly number[])[];
const rowsOf = ({ data, shape: [rows, columns] }: Tensor): Matrix =>
  Array.from({ length: rows }, (_, i) => [...data.subarray(i * columns, (i + 1) * columns)]);
const times = (weight: Matrix, x: readonly number[]) =>
  weight.map((row) => row.reduce((sum, value, i) => sum + value * x[i], 0));
const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, value, i) => sum + value * b[i], 0);
const plus = (a: readonly number[], b: readonly number[], [alpha, beta]: readonly [number, number]) =>
  a.map((value, i) => alpha * value + beta * b[i]);

/** Turned by its position, the first half of a head against the second. */
function turned(x: readonly number[], position: number): number[] {
  const half = x.length / 2;
  const angle = (j: number) => position * 10_000 ** (-j / half);
  return x.map((value, i) => {
    const other = i < half ? -x[i + half] : x[i - half];
    return value * Math.cos(angle(i % half)) + other * Math.sin(angle(i % half));
  });
}

/** Quadratic attention written out: scores are products of two, divided by `divisor`. */
function attention(at: (part: string) => Matrix, xs: Matrix, heads: number, divisor: number): Matrix {
  const width = at('q1').length / heads;
  return xs.map((x, s) => {
    const joined = Array.from({ length: heads }, (_, h) => {
      const head = (part: string, y: readonly number[]) => times(at(part).slice(h * width, (h + 1) * width), y);
      const out = new Array<number>(width).fill(0);
      for (let t = 0; t <= s; t++) {
        const score = (i: string) => dot(turned(head(`q${i}`, x), s), turned(head(`k${i}`, xs[t]), t));
        const weight = (score('1') * score('2')) / divisor;
        for (const [i, value] of head('v', xs[t]).entries()) out[i] += weight * value;
      }
      return out;
    }).flat();
    return times(at('o'), joined);
  });
}

const TOKENS = [4, 0, 2];
async function logits(path: string, options: LoadOptions): Promise<number[]> {
  return [...(await evaluate(await loadModel(path, options), [TOKENS])).data];
}

function expectNear(found: readonly number[], wanted: readonly number[]): void {
  expect(found.length).toBe(wanted.length);
  const size = Math.hypot(...wanted);
  expect(Math.hypot(...found.map((value, i) => value - wanted[i])) / size).toBeLessThan(1e-12);
}

describe('tensor_language', () => {
  const pairs = ['q1', 'k1', 'q2', 'k2', 'v', 'o'];
  const attn = (i: number, parts = pairs): Shapes =>
    Object.fromEntries(parts.map((part) => [`layers.${i}.${part}.weight`, [4, 4]]));
  const block = (i: number): Shapes => ({
    [`layers.${i}.L.weight`]: [6, 4],
    [`layers.${i}.R.weight`]: [6, 4],
    [`layers.${i}.D.weight`]: [4, 6],
  });
  const around = (...layers: readonly Shapes[]): Shapes =>
    Object.assign({ 'embed.weight': [5, 4] }, ...layers, { 'head.weight': [5, 4] });
  const SHAPES = around(attn(0), block(1), attn(2));
  const CONFIG = { spec: ['attn', 'mlp', 'attn'], d_model: 4, n_head: 2 };
  const EIGHT = { config: { context: 3 } } as const;

  test('is attention and bilinear blocks in the order of their numbers, computed as its code does', async () => {
    const tensors = made(SHAPES);
    const at = (name: string) => rowsOf(tensors.get(`${name}.weight`)!);
    const wanted = (...residuals: readonly (readonly [number, number])[]) => {
      let xs: Matrix = TOKENS.map((token) => at('embed')[token]);
      const heads = (i: number) => attention((part) => at(`layers.${i}.${part}`), xs, 2, 4);
      const add = (ys: Matrix, residual: readonly [number, number]) => xs.map((x, s) => plus(x, ys[s], residual));
      xs = add(heads(0), residuals[0]);
      const hidden = (side: string, x: readonly number[]) => times(at(`layers.1.${side}`), x);
      xs = add(
        xs.map((x) =>
          times(
            at('layers.1.D'),
            hidden('L', x).map((value, i) => value * hidden('R', x)[i]),
          ),
        ),
        residuals[1],
      );
      xs = add(heads(2), residuals[0]);
      return xs.flatMap((x) => times(at('head'), x));
    };
    const path = await checkpoint(tensors, { 'config.json': CONFIG });
    expectNear(await logits(path, EIGHT), wanted([0.5, 0.5], [1, 1]));
    const other = { config: { context: 3, residual: 'add', mlpResidual: 'lerp', scale: 0.25 } } as const;
    expectNear(await logits(path, other), wanted([1, 1], [0.75, 0.25]));
    expect(await inspect(path, EIGHT)).toMatchObject({
      family: 'tensor_language',
      degree: 50,
      problems: [],
      settings: expect.arrayContaining([
        { name: 'norm', value: 'none', from: expect.stringContaining('not said in') },
        { name: 'n_head', value: '2', from: expect.stringContaining('config.json') },
        { name: 'residual', value: 'lerp', from: 'default' },
      ]),
    });
  });

  test.each([
    ['a config.json', { 'config.json': CONFIG }],
    ['a file called after it', { 'net.safetensors.config.json': CONFIG, 'config.json': { n_head: 4 } }],
    ['the record of its training, called after it', { 'net.safetensors.history.json': { n_layer: 3, n_head: 2 } }],
    ['the config in the record of its training', { 'history.json': { config: CONFIG, loss: [3, 2] } }],
  ])('is told by %s how many heads it has, and that there is no norm', async (_, beside) => {
    const { layers } = await loadModel(await checkpoint(SHAPES, beside), EIGHT);
    expect(layers[1]).toMatchObject({ type: 'attention', heads: 2, mask: 'causal', rotaryBase: 10_000 });
  });

  test('asks for a norm where nothing describes the network, and for what else is not told', async () => {
    const bare = await checkpoint(SHAPES);
    const error = await rejection(loadModel(bare, { config: { heads: 2, context: 3 } }));
    expect(error).toMatchObject({ code: 'INVALID_FILE', file: bare });
    for (const part of ['"norm"', 'RMS norm', 'config.norm']) expect(error.message).toContain(part);
    const settings = { heads: 2, context: 3, norm: 'none' };
    expect((await loadModel(bare, { config: settings })).family).toBe('tensor_language');
    expect(await rejection(loadModel(bare, { config: '{"n_head": 2, "n_ctx": 3}' }))).toMatchObject({
      code: 'INVALID_FILE',
    });
    const whole = '{"n_head": 2, "n_ctx": 3, "d_model": 4}';
    expect((await loadModel(bare, { config: whole })).family).toBe('tensor_language');
    // A record of another kind says nothing, and does no harm.
    const record = await checkpoint(SHAPES, { 'history.json': [1, 2] });
    expect((await rejection(loadModel(record, EIGHT))).message).toContain('"norm"');
    const silent = await checkpoint(SHAPES, { 'config.json': { spec: ['attn'] } });
    expect((await rejection(loadModel(silent, EIGHT))).message).toContain('"n_head"');
    expect((await rejection(loadModel(silent, { config: { heads: 2 } }))).message).toContain('"n_ctx"');
  });

  test.each([
    ['rms', { norm: 'rms' }, /an RMS norm before its blocks .*"norm" in .*config\.json: "rms"/],
    ['a norm that is on', { norm: true }, /an RMS norm/],
    ['another', { norm: 'layer' }, /a norm before its blocks/],
    ['a softmax', { attention: 'softmax' }, /softmax in its attention .*"attention" in .*: "softmax"/],
  ])('is refused with %s, which only its config tells', async (_, fields, reason) => {
    const path = await checkpoint(SHAPES, { 'config.json': { ...CONFIG, ...fields } });
    const error = await rejection(loadModel(path, EIGHT));
    expect(error).toMatchObject({ code: 'UNSUPPORTED_LAYER', file: path });
    expect(error.message).toMatch(reason);
    const { parameters } = await loadModel(path, { ...EIGHT, unknown: 'parameters' });
    expect(parameters.size).toBe(Object.keys(SHAPES).length);
  });

  test.each([false, 'none', 'None', null])('with the norm %j is one without', async (norm) => {
    const path = await checkpoint(SHAPES, { 'config.json': { ...CONFIG, norm } });
    expect((await loadModel(path, EIGHT)).degree).toBe(50);
  });

  test('with one pair of queries and keys has a softmax', async () => {
    const path = await checkpoint(around(attn(0, ['q1', 'k1', 'v', 'o'])), { 'config.json': CONFIG });
    expect((await rejection(loadModel(path, EIGHT))).message).toMatch(/softmax .*layers\.0 has q1 and k1, and no q2/);
  });

  test('is all of the names and no others', async () => {
    for (const shapes of [
      { ...SHAPES, 'norm.weight': [4] },
      { ...SHAPES, 'layers.1.q1.weight': [4, 4] },
      around(attn(0), { 'layers.1.L.weight': [6, 4], 'layers.1.R.weight': [6, 4] }),
    ]) {
      const error = await rejection(loadModel(await checkpoint(shapes, { 'config.json': CONFIG }), EIGHT));
      expect(error).toMatchObject({ code: 'UNSUPPORTED_LAYER' });
    }
  });
});

describe('bilinear_vpd', () => {
  const block = (i: number): Shapes => ({
    ...Object.fromEntries(
      ['q1', 'q2', 'k1', 'k2', 'v'].map((part) => [`blocks.${i}.attn.${part}_proj.weight`, [2, 4]]),
    ),
    [`blocks.${i}.attn.o_proj.weight`]: [4, 2],
    [`blocks.${i}.mlp.w_m.weight`]: [3, 4],
    [`blocks.${i}.mlp.w_n.weight`]: [3, 4],
    [`blocks.${i}.mlp.w_proj.weight`]: [4, 3],
  });
  const BARE: Shapes = { 'embed.weight': [5, 4], ...block(0), ...block(1), 'unembed.weight': [5, 4] };
  const scales = (shape: readonly number[]): Shapes => ({
    ...BARE,
    ...Object.fromEntries(
      [0, 1].flatMap((i) => ['norm_attn', 'norm_mlp'].map((norm) => [`blocks.${i}.${norm}.scale`, shape])),
    ),
    'final_norm.scale': shape,
  });
  const config = (norm_type: string) => ({
    'config.json': { model: { seq_len: 3, norm_type, rope_base: 10_000, d_head: 2 }, train: { seed: 0 } },
  });

  test.each([
    ['none', BARE],
    ['scalar', scales([])],
    ['channel', scales([4])],
  ])('with the norm %s is computed as its code does', async (norm, shapes) => {
    const tensors = made(shapes);
    const at = (name: string) => rowsOf(tensors.get(`${name}.weight`)!);
    const scaled = (xs: Matrix, name: string): Matrix => {
      const { data } = tensors.get(`${name}.scale`) ?? { data: [1] };
      return xs.map((x) => x.map((value, i) => value * data[data.length === 1 ? 0 : i]));
    };
    const add = (xs: Matrix, ys: Matrix) => xs.map((x, s) => plus(x, ys[s], [1, 1]));
    let xs: Matrix = TOKENS.map((token) => at('embed')[token]);
    for (const own of ['blocks.0', 'blocks.1']) {
      const heads = attention((part) => at(`${own}.attn.${part}_proj`), scaled(xs, `${own}.norm_attn`), 1, 2);
      xs = add(xs, heads);
      const block = scaled(xs, `${own}.norm_mlp`).map((x) => {
        const right = times(at(`${own}.mlp.w_n`), x);
        return times(
          at(`${own}.mlp.w_proj`),
          times(at(`${own}.mlp.w_m`), x).map((value, i) => value * right[i]),
        );
      });
      xs = add(xs, block);
    }
    const wanted = scaled(xs, 'final_norm').flatMap((x) => times(at('unembed'), x));
    const path = await checkpoint(tensors, config(norm));
    expectNear(await logits(path, {}), wanted);
    const model = await loadModel(path);
    expect(model).toMatchObject({ family: 'bilinear_vpd', inputShape: [3, 5], degree: 100 });
    expect([...model.parameters.keys()].sort()).toEqual(Object.keys(shapes).sort());
    expect((await loadModel(path, { config: { context: 2 } })).inputShape).toEqual([2, 5]);
  });

  test('with an RMS norm has the tensors of one without, and is refused', async () => {
    const error = await rejection(loadModel(await checkpoint(BARE, config('rmsnorm'))));
    expect(error.code).toBe('UNSUPPORTED_LAYER');
    expect(error.message).toMatch(/an RMS norm .*"norm_type" in .*config\.json: "rmsnorm"/);
  });

  test('asks which norm it has, and holds what is said against its tensors', async () => {
    const bare = await checkpoint(BARE);
    expect((await rejection(loadModel(bare, { config: { context: 3 } }))).message).toContain('"norm"');
    expect((await loadModel(bare, { config: { context: 3, norm: 'none' } })).family).toBe('bilinear_vpd');
    for (const [shapes, norm] of [
      [BARE, 'channel'],
      [scales([4]), 'none'],
    ] as const) {
      const error = await rejection(loadModel(await checkpoint(shapes, config(norm))));
      expect(error).toMatchObject({ code: 'INVALID_FILE', message: expect.stringContaining('final_norm.scale') });
    }
    const short = await checkpoint(scales([3]), config('channel'));
    expect(await rejection(loadModel(short))).toMatchObject({
      code: 'SHAPE_MISMATCH',
      tensor: 'blocks.0.norm_attn.scale',
    });
    const { 'final_norm.scale': _, ...partly } = scales([4]);
    expect(await rejection(loadModel(await checkpoint(partly, config('channel'))))).toMatchObject({
      code: 'UNSUPPORTED_LAYER',
    });
  });

  test('two networks whose tensors hold the same numbers in another order are not the same', async () => {
    const tensors = made(scales([4]));
    const turnedRound = new Map(
      [...tensors].map(([name, { data, shape }]) => [name, { data: Float64Array.from(data).reverse(), shape }]),
    );
    const [a, b] = await Promise.all(
      [tensors, turnedRound].map(async (one) => loadModel(await checkpoint(one, config('channel')))),
    );
    expect((await similarity(a, b, { input: 'tokens', maxSamples: 2048 })).similarity).toBeLessThan(0.9);
  });
});

describe('bilinear autoencoders', () => {
  const [left, right, down] = [counting([6, 4]), counting([6, 4], 40), counting([3, 6], 7)];
  const transposed = ({ data, shape: [rows, columns] }: Tensor): Tensor => ({
    data: Float64Array.from(data, (_, at) => data[(at % rows) * columns + Math.floor(at / rows)]),
    shape: [columns, rows],
  });
  const write = (tensors: Readonly<Record<string, Tensor>>, beside?: Readonly<Record<string, object>>) =>
    checkpoint(new Map(Object.entries(tensors)), beside);
  const block = async (path: string) => (await loadModel(path)).layers[0] as BilinearLayer;
  const plain = ({ data, shape }: Tensor) => ({ data: [...data], shape: [...shape] });

  test.each([
    ['as torch stores matrices', { left, right, down }],
    ['with inputs in rows', { left: transposed(left), right: transposed(right), down: transposed(down) }],
    ['with features in the rows of all', { left, right, down: transposed(down) }],
    ['with features in the columns of all', { left: transposed(left), right: transposed(right), down }],
  ])('are one function %s', async (_, tensors) => {
    const path = await write(tensors);
    expect(await loadModel(path)).toMatchObject({ family: 'bae', inputShape: [1, 4], outputShape: [1, 3], degree: 2 });
    const layer = await block(path);
    expect(plain(layer.left)).toEqual(plain(left));
    expect(plain(layer.down as Tensor)).toEqual(plain(down));
  });

  test('without a bottleneck give their features', async () => {
    expect(await loadModel(await write({ left, right }))).toMatchObject({ family: 'bae', outputShape: [1, 6] });
    const other = { left: transposed(left), right: transposed(right) };
    const told = await write(other, { 'config.json': { d_model: 4, kind: 'vanilla' } });
    expect(await loadModel(told)).toMatchObject({ inputShape: [1, 4], outputShape: [1, 6] });
  });

  test('ask for their width where shapes fit in two ways', async () => {
    const tensors = { left, right, down: counting([4, 6], 9) };
    const error = await rejection(loadModel(await write(tensors)));
    expect(error).toMatchObject({ code: 'INVALID_FILE', message: expect.stringContaining('"d_model"') });
    expect((await loadModel(await write(tensors), { config: '{"d_model": 4}' })).inputShape).toEqual([1, 4]);
    expect((await loadModel(await write(tensors), { config: '{"d_model": 6}' })).inputShape).toEqual([1, 6]);
  });

  test('are refused where shapes do not fit', async () => {
    for (const tensors of [
      { left, right, down: counting([3, 5]) },
      { left, right: counting([5, 4]), down },
      { left, right, down: counting([6]) },
    ])
      expect(await rejection(loadModel(await write(tensors)))).toMatchObject({ code: 'UNSUPPORTED_LAYER' });
    const told = await write({ left, right, down }, { 'config.json': { d_model: 5 } });
    expect((await rejection(loadModel(told))).message).toContain('for 5 inputs');
  });
});

describe('toy states', () => {
  const SHAPES: Shapes = { 'p.L': [3, 4], 'p.R': [3, 4], 'p.D': [4, 3], 'p.E': [4, 5], 'p.U': [2, 4] };
  const ones = (shape: readonly number[]): Tensor => ({ data: new Float64Array(12).fill(1), shape });

  test('are bare matrices under one name, between an embedding and an unembedding', async () => {
    const model = await loadModel(await checkpoint(SHAPES));
    expect(model).toMatchObject({ family: 'sides', inputShape: [1, 5], outputShape: [1, 2] });
    expect(model.layers.map(({ type }) => type)).toEqual(['linear', 'bilinear', 'linear']);
    const { 'p.E': _, 'p.U': __, ...block } = SHAPES;
    expect((await loadModel(await checkpoint(block))).layers).toHaveLength(1);
  });

  test('may have masks beside them whose zeros the weights have already, and no others', async () => {
    const tensors = made(SHAPES);
    const mask = ones([3, 4]);
    mask.data[5] = 0;
    tensors.set('masks.L', mask);
    const changing = await checkpoint(tensors);
    expect(await rejection(loadModel(changing))).toMatchObject({ code: 'UNSUPPORTED_LAYER' });
    tensors.get('p.L')!.data[5] = 0;
    const found = await inspect(await checkpoint(tensors));
    expect(found).toMatchObject({ family: 'sides', prefix: 'p.', problems: [] });
    expect(found.setAside).toEqual([{ name: 'masks.L', reason: 'zeros that a weight has already' }]);
    for (const [name, tensor] of [
      ['masks.X', ones([3, 4])],
      ['masks.R', ones([4, 3])],
      ['masks.D', { data: new Float64Array(12).fill(0.5), shape: [4, 3] }],
    ] as const) {
      const others = new Map(tensors).set(name, tensor);
      expect(await rejection(loadModel(await checkpoint(others)))).toMatchObject({ code: 'UNSUPPORTED_LAYER' });
    }
  });
});

describe('networks that are no polynomial as a whole', () => {
  test('bilinear blocks behind a norm that a config names are refused with it', async () => {
    const shapes: Shapes = {
      'blocks.0.norm.gamma': [4],
      'blocks.0.mlp.L.weight': [6, 4],
      'blocks.0.mlp.R.weight': [6, 4],
    };
    const path = await checkpoint(shapes, { 'config.json': { norm_type: 'rmsnorm_postnorm' } });
    expect((await rejection(loadModel(path))).message).toMatch(/an RMS norm .*"rmsnorm_postnorm"/);
    expect((await rejection(loadModel(await checkpoint(shapes)))).message).toContain('is of no known family');
  });

  test('GPT-2 with bilinear blocks and squared attention is compared block by block', async () => {
    const h = (part: string) => `transformer.h.0.${part}`;
    const shapes: Shapes = {
      'transformer.wte.weight': [5, 4],
      [h('lambdas')]: [2],
      ...Object.fromEntries(
        ['c_q', 'c_k', 'c_q2', 'c_k2', 'c_v', 'c_proj'].map((part) => [h(`attn.${part}.weight`), [4, 4]]),
      ),
      [h('attn.lamb')]: [],
      [h('mlp.Left.weight')]: [6, 4],
      [h('mlp.Right.weight')]: [6, 4],
      [h('mlp.Down.weight')]: [4, 6],
      [h('mlp.Down_bias')]: [4],
      'lm_head.weight': [5, 4],
    };
    const path = await checkpoint(shapes);
    const error = await rejection(loadModel(path));
    expect(error).toMatchObject({ code: 'UNSUPPORTED_LAYER' });
    for (const part of ['squared or bilinear attention', 'no polynomial', 'tensim blocks', '"block": 0'])
      expect(error.message).toContain(part);
    expect(error.message).not.toContain('softmax');
    const block = await loadModel(path, { config: { block: 0, activation: 'none' } });
    expect(block.layers).toMatchObject([{ type: 'bilinear', downBias: { shape: [4] } }]);
  });

  test('an image model tells in the config beside its state dict whether it has residuals', async () => {
    const shapes: Shapes = { 'embed.weight': [4, 6], 'blocks.0.weight': [8, 4], 'head.weight': [3, 4] };
    const write = (name: string, metadata: Readonly<Record<string, string>>) =>
      writeCheckpoint(root, name, shapes, metadata);
    const alpha = async (path: string) => ((await loadModel(path)).layers[1] as BilinearLayer).alpha;
    expect(await alpha(await write('residual.safetensors', { 'config.residual': 'true' }))).toBe(1);
    expect(await alpha(await write('plain.safetensors', {}))).toBe(0);
  });
});
