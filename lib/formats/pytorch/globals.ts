import type { Meaning } from './values.js';

/** Element types of PyTorch by the name of their storage and of the dtype, under the names of safetensors. */
const ELEMENTS: readonly (readonly [storage: string | null, dtypes: readonly string[], name: string])[] = [
  ['DoubleStorage', ['float64', 'double'], 'F64'],
  ['FloatStorage', ['float32', 'float'], 'F32'],
  ['HalfStorage', ['float16', 'half'], 'F16'],
  ['BFloat16Storage', ['bfloat16'], 'BF16'],
  ['LongStorage', ['int64', 'long'], 'I64'],
  ['IntStorage', ['int32', 'int'], 'I32'],
  ['ShortStorage', ['int16', 'short'], 'I16'],
  ['CharStorage', ['int8'], 'I8'],
  ['ByteStorage', ['uint8'], 'U8'],
  ['BoolStorage', ['bool'], 'BOOL'],
  ['ComplexFloatStorage', ['complex64', 'cfloat'], 'C64'],
  ['ComplexDoubleStorage', ['complex128', 'cdouble'], 'C128'],
  [null, ['uint16'], 'U16'],
  [null, ['uint32'], 'U32'],
  [null, ['uint64'], 'U64'],
  [null, ['float8_e4m3fn'], 'F8_E4M3'],
  [null, ['float8_e5m2'], 'F8_E5M2'],
  [null, ['float8_e4m3fnuz'], 'F8_E4M3FNUZ'],
  [null, ['float8_e5m2fnuz'], 'F8_E5M2FNUZ'],
  [null, ['float8_e8m0fnu'], 'F8_E8M0'],
];

/** Bytes per element. */
export const ELEMENT_BYTES: ReadonlyMap<string, number> = new Map(
  ELEMENTS.map(([, , name]) => [name, name === 'BOOL' ? 1 : Number(/\d+/.exec(name)?.[0]) / 8]),
);

/** Where NumPy keeps the functions of its pickles, before and since version 2. */
const NUMPY = ['numpy.core', 'numpy._core'];
/** What Python calls the module of its own names, before and since version 3: protocol 2 writes the older. */
const PYTHON = ['__builtin__', 'builtins'];
/** The module that says how objects are copied, likewise. */
const COPY = ['copy_reg', 'copyreg'];

const DENSE = 'Save tensor.to_dense() in its place';
const PLAIN = 'Save tensor.dequantize() in its place';

/**
 * The names that have a meaning here: those of torch's own weights-only loader and of NumPy as far as a state dict
 * needs them. Nothing of theirs is imported or called: the meaning of each is in call.ts. Every other name stands for
 * something that is opaque.
 */
const MEANINGS: ReadonlyMap<string, Meaning> = new Map<string, Meaning>([
  ['collections.OrderedDict', { kind: 'dict' }],
  ['collections.defaultdict', { kind: 'dict' }],
  ['torch._utils._rebuild_tensor', { kind: 'tensor', typed: false }],
  ['torch._utils._rebuild_tensor_v2', { kind: 'tensor', typed: false }],
  ['torch._utils._rebuild_tensor_v3', { kind: 'tensor', typed: true }],
  ['torch._utils._rebuild_parameter', { kind: 'first' }],
  ['torch._utils._rebuild_parameter_with_state', { kind: 'first' }],
  ['torch._utils._rebuild_device_tensor_from_numpy', { kind: 'first' }],
  ['torch._utils._rebuild_device_tensor_from_cpu_tensor', { kind: 'first' }],
  ['torch._utils._rebuild_xla_tensor', { kind: 'first' }],
  ['torch._tensor._rebuild_from_type_v2', { kind: 'subclass' }],
  ['torch._utils._rebuild_sparse_tensor', { kind: 'unread', instead: DENSE }],
  ['torch._utils._rebuild_sparse_csr_tensor', { kind: 'unread', instead: DENSE }],
  ['torch._utils._rebuild_qtensor', { kind: 'unread', instead: PLAIN }],
  ['torch._utils._rebuild_nested_tensor', { kind: 'unread', instead: 'Save its parts one by one' }],
  ['torch._utils._rebuild_wrapper_subclass', { kind: 'unread', instead: 'Save plain tensors in its place' }],
  [
    'torch._utils._rebuild_meta_tensor_no_storage',
    { kind: 'unread', instead: 'It has no numbers: save a model that was initialized' },
  ],
  ['torch.Size', { kind: 'first' }],
  ['torch.storage.UntypedStorage', { kind: 'storage', dtype: null }],
  ['torch.UntypedStorage', { kind: 'storage', dtype: null }],
  ...ELEMENTS.flatMap(([storage, dtypes, dtype]): [string, Meaning][] => [
    ...(storage === null ? [] : [[`torch.${storage}`, { kind: 'storage', dtype }] as [string, Meaning]]),
    ...dtypes.map((name): [string, Meaning] => [`torch.${name}`, { kind: 'dtype', dtype }]),
  ]),
  ...NUMPY.flatMap((core): [string, Meaning][] => [
    [`${core}.multiarray._reconstruct`, { kind: 'array' }],
    [`${core}.multiarray.scalar`, { kind: 'numpyScalar' }],
    [`${core}.numeric._frombuffer`, { kind: 'buffered' }],
  ]),
  ['numpy.dtype', { kind: 'numpyType' }],
  ['_codecs.encode', { kind: 'bytes' }],
  ...PYTHON.flatMap((python): [string, Meaning][] => [
    [`${python}.bytes`, { kind: 'bytes' }],
    [`${python}.bytearray`, { kind: 'bytes' }],
    [`${python}.dict`, { kind: 'dict' }],
    [`${python}.set`, { kind: 'set' }],
  ]),
  ...COPY.flatMap((copy): [string, Meaning][] => [
    [`${copy}.__newobj__`, { kind: 'instance' }],
    [`${copy}._reconstructor`, { kind: 'derived' }],
  ]),
]);

/** All names that have a meaning. */
export const NAMES: readonly string[] = [...MEANINGS.keys()];

/** What a global means, or undefined for one that has no meaning here. */
export function meaningOf(name: string): Meaning | undefined {
  return MEANINGS.get(name);
}
