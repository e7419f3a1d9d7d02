import { gguf, ggufFloats, GGUF_KIND as K } from '../../support/gguf.js';
import { mutateBytes } from '../mutation/bytes.js';
import { fileTarget } from './files.js';

const KEYS = [
  'general.architecture',
  'general.alignment',
  'llama.block_count',
  'bi_linear.weight',
  'projection.weight',
];

const bilinear = [
  ggufFloats(
    'bi_linear.weight',
    [4, 6],
    Array.from({ length: 24 }, (_, i) => i / 8 - 1),
  ),
  ggufFloats(
    'projection.weight',
    [3, 2],
    Array.from({ length: 6 }, (_, i) => i - 2),
  ),
];

export const readsGguf = fileTarget(
  'gguf',
  'GGUF files of all versions, and models in them',
  () => [
    gguf({ tensors: bilinear, metadata: [['general.architecture', [K.text, 'none']]] }),
    gguf({ version: 1, tensors: bilinear, metadata: [['step', [K.u64, 7n]]] }),
    gguf({ bigEndian: true, tensors: bilinear.map((one) => ({ ...one, data: Buffer.from(one.data).swap32() })) }),
    gguf({
      tensors: [{ name: 'w', extents: [32], type: 8, data: new Uint8Array(34) }],
      metadata: [['layers', [K.list, [[K.i32, 1]], K.i32]]],
    }),
  ],
  (bytes, random, other) => mutateBytes(bytes, random, other, KEYS),
);
