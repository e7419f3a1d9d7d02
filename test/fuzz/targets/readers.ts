import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkpoint as archiveOf, SIX } from '../../formats/pytorch/checkpoint.js';
import { attentionShapes, bilinearShapes, deepShapes, imageShapes, transformerShapes } from '../../model/helpers.js';
import { node, onnx, tensor as onnxTensor } from '../../support/onnx.js';
import { dict, join as parts, pickle, tensor, text } from '../../support/pickle.js';
import { type Member, zip } from '../../support/zip.js';
import { archive, fewerMembers, mutateArchive, packed } from '../mutation/archive.js';
import { chance, mutateBytes, pick } from '../mutation/bytes.js';
import { mutateNpy, mutateSafetensors, npy, safetensors } from '../mutation/headers.js';
import { mutatePickle, smallerPickles, value } from '../mutation/pickle.js';
import { checkpointOf, fileTarget } from './files.js';
import { root } from './root.js';

/** Files that PyTorch and NumPy themselves have written, those that are refused too. */
function fixtures(format: string, ending: RegExp): Buffer[] {
  const folder = join(root, 'test', 'formats', format, 'fixtures');
  const names = readdirSync(folder).filter((name) => ending.test(name));
  return names.sort().map((name) => readFileSync(join(folder, name)));
}

export const readsSafetensors = fileTarget(
  'safetensors',
  'safetensors files, and models in them',
  () => [
    checkpointOf(bilinearShapes()),
    checkpointOf(deepShapes(1, true), { scale: '0.5', step: '100' }),
    checkpointOf(attentionShapes(1), { n_head: '2', n_ctx: '3', attn_scale: '1', mask: 'causal' }, 'F32'),
    checkpointOf(transformerShapes(1), { n_head: '2', n_ctx: '3' }, 'BF16'),
    checkpointOf(imageShapes(1, true)),
    safetensors(Buffer.from('{"t":{"dtype":"I64","shape":[1,2],"data_offsets":[0,16]}}'), Buffer.alloc(16, 1)),
    safetensors(Buffer.from('{}  '), Buffer.alloc(0)),
  ],
  mutateSafetensors,
);

/** The pickle in an archive of PyTorch. */
const isPickle = ({ name }: Member) => /(?:^|\/)data\.pkl$/.test(name);
const pickleIn = (members: readonly Member[]) => Buffer.from(members.find(isPickle)?.data ?? []);

/** A bilinear model of four inputs, three hidden units and two outputs as torch.save would write it. */
function bilinearPickle(): Buffer {
  const [both, down] = [
    { key: '0', elements: 24, shape: [6, 4], strides: [4, 1] },
    { key: '1', elements: 6, shape: [2, 3], strides: [3, 1] },
  ];
  return pickle(dict([text('bi_linear.weight'), tensor(both)], [text('projection.weight'), tensor(down)]));
}

const numbers = (count: number) => Buffer.from(Float32Array.from({ length: count }, (_, i) => i / 8 - 1).buffer);

export const readsPytorch = fileTarget(
  'pt',
  'checkpoints of PyTorch: archives with a pickle',
  () => [
    archiveOf(bilinearPickle(), [
      { name: 'a/data/0', data: numbers(24) },
      { name: 'a/data/1', data: numbers(6) },
      { name: 'a/version', data: Buffer.from('3\n') },
      { name: 'a/byteorder', data: Buffer.from('little') },
    ]),
    archiveOf(pickle(dict([text('w'), tensor()]))),
    ...fixtures('pytorch', /\.(pt|pth|bin)$/),
  ],
  (bytes, random, other) =>
    mutateArchive(bytes, random, other, (member, others) => {
      if (!isPickle(member)) return chance(random, 0.5) ? numbers(random.integer(0, 30)) : Buffer.from(member.data);
      if (chance(random, 0.1)) return anyPickle(random);
      return mutatePickle(Buffer.from(member.data), random, () => pickleIn(others()));
    }),
  function* (bytes) {
    yield* fewerMembers(bytes);
    const members = archive(bytes);
    const at = members?.findIndex(isPickle) ?? -1;
    if (members === undefined || at < 0) return;
    for (const smaller of smallerPickles(Buffer.from(members[at].data)))
      yield packed(members.with(at, { ...members[at], data: smaller }));
  },
);

function anyPickle(random: Parameters<typeof value>[0]): Buffer {
  const others = Array.from({ length: random.integer(0, 3) }, (_, i) => [text(`x${i}`), value(random, 3)] as const);
  const entries = dict([text('w'), tensor()], ...others);
  return chance(random, 0.8) ? pickle(entries) : pickle(parts(value(random, 4), pick(random, ['', '0', 'a'])));
}

const HEADERS = [
  "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n",
  "{'descr': '>f4', 'fortran_order': True, 'shape': (3, 2), }\n",
  "{'descr': '<f2', 'fortran_order': False, 'shape': (12,), }\n",
  "{'descr': '<i8', 'fortran_order': False, 'shape': (3, 1), }\n",
  "{'descr': '|u1', 'fortran_order': False, 'shape': (), }\n",
];
const arrays = (): Buffer[] => [
  ...HEADERS.map((header) => npy(header, SIX)),
  npy(HEADERS[0], SIX, 2),
  npy(HEADERS[0], SIX, 3),
];

export const readsNpy = fileTarget('npy', 'arrays of NumPy, and inputs in them', arrays, mutateNpy);

const BILINEAR = [
  ['bi_linear.weight.npy', "{'descr': '<f4', 'fortran_order': False, 'shape': (6, 4), }\n", 24],
  ['projection.weight.npy', "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }\n", 6],
] as const;

export const readsNpz = fileTarget(
  'npz',
  'archives of NumPy, deflated or not',
  () => [
    ...[0, 8].map((method) =>
      packed(BILINEAR.map(([name, header, count]) => ({ name, data: npy(header, numbers(count)), method }))),
    ),
    zip([{ name: 'inputs', data: arrays()[0] }]),
    ...fixtures('numpy', /\.npz$/),
  ],
  (bytes, random, other) =>
    mutateArchive(bytes, random, other, (member, others) =>
      mutateNpy(member.data, random, () => pick(random, others()).data),
    ),
  fewerMembers,
);

const MATRICES = [
  onnxTensor('w', [3, 2], [1, 2, 3, 4, 5, 6]),
  onnxTensor('b', [2], [7, 8]),
  onnxTensor('c', [1, 3], [1, 1, 2]),
];
const OPERATIONS = [
  ...['Gemm', 'MatMul', 'Add', 'Sub', 'Mul', 'Div', 'Relu', 'Tanh', 'Elu', 'Clip', 'PRelu', 'Flatten', 'Reshape'],
  ...['Identity', 'Constant', 'Transpose', 'Squeeze', 'Unsqueeze', 'Cast', 'Dropout', 'Shape', 'Gather', 'Concat'],
  ...['x', 'y', 'w', 'b', 'c', 'm', 'a', 'axis', 'perm', 'alpha', 'transA', 'transB', 'pytorch', 'ai.onnx'],
];

export const readsOnnx = fileTarget(
  'onnx',
  'models of ONNX, and the chains that their graphs are',
  () => [
    onnx({
      nodes: [
        node('Sub', ['x', 'c'], ['s']),
        node('Flatten', ['s'], ['f'], { axis: 1 }),
        node('MatMul', ['f', 'w'], ['m']),
        node('Add', ['m', 'b'], ['a']),
        node('Relu', ['a'], ['y']),
      ],
      tensors: MATRICES,
      input: [1, 1, 3],
      metadata: { step: '3' },
    }),
    onnx({
      nodes: [
        node('Constant', [], ['k'], { value: onnxTensor('', [3, 2], [1, 2, 3, 4, 5, 6]) }),
        node('Constant', [], ['to'], { value_ints: [-1, 3] }),
        node('Reshape', ['x', 'to'], ['r']),
        node('Gemm', ['r', 'k', 'b'], ['g'], { alpha: 0.5 }),
        node('LeakyRelu', ['g'], ['y'], { alpha: 0.25 }),
      ],
      tensors: MATRICES.slice(1, 2),
      input: ['n', 1, 3],
    }),
    onnx({ nodes: [node('Tanh', ['x'], ['y'])], input: [3, 1] }),
  ],
  (bytes, random, other) => mutateBytes(bytes, random, other, OPERATIONS),
);
