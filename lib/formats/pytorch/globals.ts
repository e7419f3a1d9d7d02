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
const NUMPY = ['numpy.core.multiarray', 'numpy._core.multiarray'];

/** Data that stand beside the weights in checkpoints and are passed over. Nothing of theirs is made or called. */
const PASSED_OVER = [
  '_codecs.encode',
  ...['bytearray', 'complex', 'frozenset', 'set', 'slice', 'range'].flatMap((name) => [
    `builtins.${name}`,
    `__builtin__.${name}`,
  ]),
  'collections.Counter',
  'datetime.datetime',
  'datetime.timedelta',
  'pathlib.PosixPath',
  'pathlib.PurePosixPath',
  'pathlib.WindowsPath',
  'argparse.Namespace',
  'types.SimpleNamespace',
  'numpy.dtype',
  'numpy.ndarray',
  ...NUMPY.map((core) => `${core}.scalar`),
  'torch.device',
  'torch.Tensor',
  'torch.nn.parameter.Parameter',
  'torch.serialization._get_layout',
];

/**
 * The names a pickle may use, and what they mean here; those of torch's own weights-only loader as far as a state dict
 * needs them. Any other name is refused.
 */
const MEANINGS: ReadonlyMap<string, Meaning> = new Map<string, Meaning>([
  ['collections.OrderedDict', { kind: 'dict' }],
  ['collections.defaultdict', { kind: 'dict' }],
  ['torch._utils._rebuild_tensor_v2', { kind: 'tensor', typed: false }],
  ['torch._utils._rebuild_tensor_v3', { kind: 'tensor', typed: true }],
  ['torch._utils._rebuild_parameter', { kind: 'first' }],
  ['torch._utils._rebuild_parameter_with_state', { kind: 'first' }],
  ['torch._tensor._rebuild_from_type_v2', { kind: 'subclass' }],
  ['torch.Size', { kind: 'first' }],
  ['torch.storage.UntypedStorage', { kind: 'storage', dtype: null }],
  ['torch.UntypedStorage', { kind: 'storage', dtype: null }],
  ...ELEMENTS.flatMap(([storage, dtypes, dtype]): [string, Meaning][] => [
    ...(storage === null ? [] : [[`torch.${storage}`, { kind: 'storage', dtype }] as [string, Meaning]]),
    ...dtypes.map((name): [string, Meaning] => [`torch.${name}`, { kind: 'dtype', dtype }]),
  ]),
  ...NUMPY.map((core): [string, Meaning] => [`${core}._reconstruct`, { kind: 'array' }]),
  ...PASSED_OVER.map((name): [string, Meaning] => [name, { kind: 'opaque' }]),
]);

/** What a global means, or undefined for one that is refused. */
export function meaningOf(name: string): Meaning | undefined {
  return MEANINGS.get(name);
}
