import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { meaningOf, NAMES } from '../../../lib/formats/pytorch/globals.js';

/** Every name that has a meaning, and the meaning. Whoever adds one says here why nothing comes of it but data. */
const MEANINGS: Readonly<Record<string, readonly string[]>> = {
  // Dictionaries and sets, made of lists.
  dict: ['__builtin__.dict', 'builtins.dict', 'collections.OrderedDict', 'collections.defaultdict'],
  set: ['__builtin__.set', 'builtins.set'],
  // Tensors, made of numbers and the names of storages.
  tensor: ['torch._utils._rebuild_tensor', 'torch._utils._rebuild_tensor_v2', 'torch._utils._rebuild_tensor_v3'],
  // Their first argument.
  first: [
    'torch.Size',
    'torch._utils._rebuild_device_tensor_from_cpu_tensor',
    'torch._utils._rebuild_device_tensor_from_numpy',
    'torch._utils._rebuild_parameter',
    'torch._utils._rebuild_parameter_with_state',
    'torch._utils._rebuild_xla_tensor',
  ],
  // What another of these names makes of arguments.
  subclass: ['torch._tensor._rebuild_from_type_v2'],
  instance: ['copy_reg.__newobj__', 'copyreg.__newobj__'],
  derived: ['copy_reg._reconstructor', 'copyreg._reconstructor'],
  // Tensors that are refused, with what to save instead.
  unread: [
    'torch._utils._rebuild_meta_tensor_no_storage',
    'torch._utils._rebuild_nested_tensor',
    'torch._utils._rebuild_qtensor',
    'torch._utils._rebuild_sparse_csr_tensor',
    'torch._utils._rebuild_sparse_tensor',
    'torch._utils._rebuild_wrapper_subclass',
  ],
  // Types of elements.
  storage: [
    'torch.BFloat16Storage',
    'torch.BoolStorage',
    'torch.ByteStorage',
    'torch.CharStorage',
    'torch.ComplexDoubleStorage',
    'torch.ComplexFloatStorage',
    'torch.DoubleStorage',
    'torch.FloatStorage',
    'torch.HalfStorage',
    'torch.IntStorage',
    'torch.LongStorage',
    'torch.ShortStorage',
    'torch.UntypedStorage',
    'torch.storage.UntypedStorage',
  ],
  dtype: [
    'torch.bfloat16',
    'torch.bool',
    'torch.cdouble',
    'torch.cfloat',
    'torch.complex128',
    'torch.complex64',
    'torch.double',
    'torch.float',
    'torch.float16',
    'torch.float32',
    'torch.float64',
    'torch.float8_e4m3fn',
    'torch.float8_e4m3fnuz',
    'torch.float8_e5m2',
    'torch.float8_e5m2fnuz',
    'torch.float8_e8m0fnu',
    'torch.half',
    'torch.int',
    'torch.int16',
    'torch.int32',
    'torch.int64',
    'torch.int8',
    'torch.long',
    'torch.short',
    'torch.uint16',
    'torch.uint32',
    'torch.uint64',
    'torch.uint8',
  ],
  // Bytes, and numbers and arrays of NumPy that are made of them.
  bytes: ['__builtin__.bytearray', '__builtin__.bytes', '_codecs.encode', 'builtins.bytearray', 'builtins.bytes'],
  array: ['numpy._core.multiarray._reconstruct', 'numpy.core.multiarray._reconstruct'],
  buffered: ['numpy._core.numeric._frombuffer', 'numpy.core.numeric._frombuffer'],
  numpyScalar: ['numpy._core.multiarray.scalar', 'numpy.core.multiarray.scalar'],
  numpyType: ['numpy.dtype'],
};

test('these names have a meaning, and no others', () => {
  const found: Record<string, string[]> = {};
  for (const name of [...NAMES].sort()) {
    const kind = meaningOf(name)?.kind ?? 'none';
    found[kind] = [...(found[kind] ?? []), name];
  }
  expect(found).toEqual(MEANINGS);
});

test.each(['constructor', '__proto__', 'toString', 'os.system', 'builtins.eval', ''])('"%s" has none', (name) => {
  expect(meaningOf(name)).toBeUndefined();
});

test('what reads pickles can neither run code nor start anything', () => {
  const folder = 'lib/formats/pytorch';
  const sources = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'));
  const imported = sources.flatMap((source) => [...source.matchAll(/from '(node:[^']+)'/g)].map(([, name]) => name));
  expect([...new Set(imported)].sort()).toEqual(['node:buffer', 'node:path']);
  for (const source of sources) expect(source).not.toMatch(/\beval\(|new Function|import\(|require\(|globalThis/);
});
