import * as made from '../../support/pickle.js';
import type { Random } from '../../support/random.js';
import { anyNumber, chance, mutateBytes, pick, timesOf } from './bytes.js';

/** Instructions with an argument of so many bytes; those of all protocols (Lib/pickletools.py). */
const FIXED: Readonly<Record<string, number>> = {
  ...{ K: 1, M: 2, J: 4, G: 8, h: 1, j: 4, q: 1, r: 4 },
  ...{ '\x80': 1, '\x82': 1, '\x83': 2, '\x84': 4, '\x95': 8 },
};
/** With an argument after its length, which has so many bytes. */
const COUNTED: Readonly<Record<string, number>> = {
  ...{ X: 4, '\x8c': 1, '\x8d': 8, T: 4, U: 1, B: 4, C: 1, '\x8e': 8, '\x96': 8, '\x8a': 1, '\x8b': 4 },
};
/** With so many lines of text. */
const LINES: Readonly<Record<string, number>> = { I: 1, L: 1, S: 1, V: 1, F: 1, g: 1, p: 1, P: 1, c: 2, i: 2 };
/** Without an argument. */
const BARE = '(.0125NQR]abdeostu})l\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x92\x93\x94\x97\x98';

const GLOBALS = [
  ...['collections OrderedDict', 'collections defaultdict', 'collections Counter', 'collections deque'],
  ...['torch._utils _rebuild_tensor_v2', 'torch._utils _rebuild_tensor_v3', 'torch._utils _rebuild_parameter'],
  ...[
    'torch._utils _rebuild_parameter_with_state',
    'torch._tensor _rebuild_from_type_v2',
    'torch Size',
    'torch device',
  ],
  ...['torch FloatStorage', 'torch DoubleStorage', 'torch BFloat16Storage', 'torch LongStorage', 'torch BoolStorage'],
  ...[
    'torch float32',
    'torch bfloat16',
    'torch.storage UntypedStorage',
    'torch.nn.parameter Parameter',
    'torch Tensor',
  ],
  ...['numpy.core.multiarray _reconstruct', 'numpy._core.multiarray scalar', 'numpy ndarray', 'numpy dtype'],
  ...[
    '_codecs encode',
    'builtins set',
    '__builtin__ bytearray',
    'builtins complex',
    'builtins range',
    'builtins slice',
  ],
  ...['datetime datetime', 'datetime timedelta', 'pathlib PosixPath', 'argparse Namespace', 'types SimpleNamespace'],
  ...['os system', 'builtins eval', 'posix system', 'torch load', 'functools partial', 'my.module Thing', 'enum Enum'],
];
const TEXTS = [
  'storage',
  '0',
  '1',
  'cpu',
  'cuda:0',
  'w',
  'L',
  'R',
  'D',
  'state_dict',
  'model',
  'step',
  '__class__',
  '',
];

/** A pickle as its instructions, each with its argument; what cannot be told apart is one piece at the end. */
export function instructionsOf(pickle: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at < pickle.length; ) {
    const end = Math.min(pickle.length, endOf(pickle, at));
    found.push(pickle.subarray(at, end));
    at = end;
  }
  return found;
}

function endOf(pickle: Buffer, at: number): number {
  const code = String.fromCharCode(pickle[at]);
  const counted = COUNTED[code];
  if (counted !== undefined) {
    if (at + 1 + counted > pickle.length) return pickle.length;
    const length = counted === 8 ? Number(pickle.readBigUInt64LE(at + 1)) : pickle.readUIntLE(at + 1, counted);
    return at + 1 + counted + length;
  }
  let end = at + 1 + (FIXED[code] ?? 0);
  for (let lines = LINES[code] ?? 0; lines > 0; lines--) {
    const line = pickle.indexOf(0x0a, end);
    if (line < 0) return pickle.length;
    end = line + 1;
  }
  return end;
}

/** A pickle with one to four instructions changed, taken out, put in, repeated, or taken from another. */
export function mutatePickle(pickle: Buffer, random: Random, other: () => Buffer): Buffer {
  const parts = instructionsOf(pickle);
  for (let times = timesOf(random, 4); times > 0; times--) {
    // The first says the protocol and the last ends it: changing those leads nowhere new, most of the time.
    const at = chance(random, 0.02)
      ? random.integer(0, parts.length)
      : random.integer(1, Math.max(1, parts.length - 1));
    const run = chance(random, 0.7) ? 1 : random.integer(1, 12);
    switch (random.integer(0, 8)) {
      case 0:
        parts.splice(at, run);
        break;
      case 1:
        parts.splice(at, 0, ...parts.slice(at, at + run));
        break;
      case 2:
        parts.splice(at, 1, anyInstruction(random));
        break;
      case 3:
        parts.splice(at, 0, anyInstruction(random));
        break;
      case 4:
        parts.splice(at, chance(random, 0.5) ? 1 : 0, value(random, 2));
        break;
      case 5: {
        const foreign = instructionsOf(other());
        const from = random.integer(0, foreign.length);
        parts.splice(at, chance(random, 0.5) ? run : 0, ...foreign.slice(from, from + random.integer(1, 20)));
        break;
      }
      case 6:
        if (at + 1 < parts.length) parts.splice(at, 2, parts[at + 1], parts[at]);
        break;
      default:
        if (parts[at] !== undefined) parts[at] = withOtherArgument(parts[at], random);
    }
  }
  return Buffer.concat(parts);
}

/** Pickles that lack some of the instructions of this one. */
export function* smallerPickles(pickle: Buffer): Generator<Buffer> {
  const parts = instructionsOf(pickle);
  for (let run = Math.ceil(parts.length / 2); run >= 1; run = run === 1 ? 0 : Math.ceil(run / 2))
    for (let at = 0; at < parts.length; at += run) yield Buffer.concat(parts.toSpliced(at, run));
}

function anyInstruction(random: Random): Buffer {
  switch (random.integer(0, 5)) {
    case 0:
      return fixed(pick(random, Object.keys(FIXED)), random);
    case 1:
      return counted(pick(random, Object.keys(COUNTED)), Buffer.from(pick(random, TEXTS)));
    case 2:
      return globalOf(random);
    case 3:
      return made.op(`${pick(random, [...'ILSVFgpP'])}${pick(random, ["'w'", '1', '00', '1L', '0.5', '-1', 'x'])}\n`);
    default:
      return made.op(pick(random, [...BARE]));
  }
}

function fixed(code: string, random: Random): Buffer {
  const bytes = FIXED[code];
  const argument = Buffer.alloc(bytes);
  for (let i = 0, number = BigInt(anyNumber(random)); i < bytes; i++)
    argument[i] = Number((number >> BigInt(8 * i)) & 255n);
  return made.join(code, argument);
}

function counted(code: string, content: Buffer, claimed = content.length): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt.asUintN(64, BigInt(claimed)));
  return made.join(code, length.subarray(0, COUNTED[code]), content);
}

function globalOf(random: Random): Buffer {
  const [module, name] = pick(random, GLOBALS).split(' ');
  return chance(random, 0.7) ? made.global(module, name) : made.join(made.text(module), made.text(name), '\x93');
}

function withOtherArgument(part: Buffer, random: Random): Buffer {
  const code = String.fromCharCode(part[0]);
  if (FIXED[code] !== undefined) return fixed(code, random);
  const none = () => Buffer.alloc(0);
  if (COUNTED[code] !== undefined) {
    const content = part.subarray(1 + COUNTED[code]);
    if (chance(random, 0.1)) return counted(code, content, anyNumber(random));
    return counted(
      code,
      chance(random, 0.6) ? Buffer.from(pick(random, TEXTS)) : mutateBytes(content, random, none, TEXTS),
    );
  }
  if (code === 'c') return globalOf(random);
  return LINES[code] === undefined ? anyInstruction(random) : mutateBytes(part, random, none, TEXTS);
}

/** Instructions that leave one value on the stack. */
export function value(random: Random, depth: number): Buffer {
  const inner = () => value(random, depth - 1);
  const some = () => Array.from({ length: random.integer(0, 3) }, inner);
  const number = () => made.int(Math.trunc(Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, anyNumber(random)))));
  const small = () => random.integer(0, 4);
  switch (random.integer(0, depth > 0 ? 11 : 4)) {
    case 0:
      return number();
    case 1:
      return made.text(pick(random, TEXTS));
    case 2:
      return globalOf(random);
    case 3:
      return made.op(pick(random, ['N', '\x88', '\x89', ')', ']', '}', '\x8f']));
    case 4:
      return fixed('G', random);
    case 5:
      return made.tensor({
        ...(chance(random, 0.3) && { offset: anyNumber(random) | 0 }),
        ...(chance(random, 0.5) && { shape: [small(), small()], strides: [small(), small()] }),
        ...(chance(random, 0.3) && { key: pick(random, ['0', '1', '2', '../0', '']) }),
        ...(chance(random, 0.3) && { elements: anyNumber(random) | 0 }),
        ...(chance(random, 0.3) && { type: globalOf(random) }),
      });
    case 6:
      return made.tuple(...some());
    case 7:
      return made.list(...some());
    case 8:
      return made.dict(...some().map((item) => [made.text(pick(random, TEXTS)), item] as const));
    case 9:
      return made.reduce(globalOf(random), ...some());
    case 10:
      return made.join(made.reduce(globalOf(random), ...some()), inner(), 'b');
    default:
      return made.join(globalOf(random), made.tuple(...some()), '\x81');
  }
}
