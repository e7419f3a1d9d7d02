import { TensimError } from '../errors.js';
import { MemoryBudget } from './budget.js';
import { type CheckpointFormat, formatOf, hasEnding } from './endings.js';
import { isLlama2c } from './llama2c/open.js';
import { POLICY } from './pytorch/policy_archive.js';
import { SourceFile } from './source_file.js';
import { readDirectory } from './zip/directory.js';
import { LOCAL } from './zip/records.js';

/** Enough for the beginning of every format, and the name of an archive's first member. */
const LOOKED_AT = 512;

/** What a path is by its ending, or, if it has none, by the content of the file. */
export async function formatAt(path: string): Promise<CheckpointFormat | undefined> {
  return formatOf(path) ?? (hasEnding(path) ? undefined : formatIn(path));
}

/**
 * What kind of checkpoint a file is by its content; undefined for all others, and for what cannot be read. An archive
 * is one of PyTorch or of NumPy by the names in it; those of stable-baselines3 hold several of PyTorch.
 */
export async function formatIn(path: string): Promise<CheckpointFormat | undefined> {
  return look(path, async (source, start) => {
    // A pickle without an archive: what it is, and how to convert it, is told where PyTorch files are read.
    if (start[0] === 0x80 && start[1] >= 2 && start[1] <= 5) return formatOfStart(start, source.size) ?? 'pytorch';
    const format = formatOfStart(start, source.size);
    if (format !== undefined || !isArchive(start)) return format;
    const { members } = await readDirectory(source, new MemoryBudget(path));
    const formats = [...members.keys()].map(formatOfMember);
    return formats.find((one) => one === 'pytorch') ?? formats.find((one) => one === 'npz');
  });
}

/** The same by its first bytes alone. */
export async function formatAtStart(path: string): Promise<CheckpointFormat | undefined> {
  return look(path, async ({ size }, start) => formatOfStart(start, size));
}

async function look<Result>(
  path: string,
  judge: (source: SourceFile, start: Buffer) => Promise<Result>,
): Promise<Result | undefined> {
  try {
    const source = await SourceFile.open(path);
    try {
      const start = Buffer.alloc(Math.min(LOOKED_AT, source.size));
      await source.read(start, 0);
      return await judge(source, start);
    } finally {
      await source.close();
    }
  } catch (error) {
    if (error instanceof TensimError) return undefined;
    throw error;
  }
}

function formatOfStart(start: Buffer, size: number): CheckpointFormat | undefined {
  if (start.toString('latin1', 0, 6) === '\x93NUMPY') return 'npy';
  // The length of a header, below 2^40, and then its brace.
  if (start.toString('latin1', 5, 9) === '\0\0\0{') return 'safetensors';
  if (start.toString('latin1', 0, 4) === 'GGUF') return 'gguf';
  if (isOnnx(start)) return 'onnx';
  if (isLlama2c(start, size)) return 'llama2c';
  if (!isArchive(start) || start.length < LOCAL.bytes) return undefined;
  return formatOfMember(start.toString('latin1', LOCAL.bytes, LOCAL.bytes + start.readUInt16LE(26)));
}

/**
 * A message whose first field is the version of ONNX and whose second is the name of who wrote it, or the graph. Files
 * of Core ML begin likewise, but with a message in the place of the name.
 */
function isOnnx(start: Buffer): boolean {
  const [field, version, next, length, first] = start;
  if (field !== 0x08 || version < 3 || version > 0x1f) return false;
  return (next === 0x12 && length > 0 && first >= 0x41 && first <= 0x7a) || (next === 0x3a && start.length > 8);
}

function isArchive(start: Buffer): boolean {
  return start.toString('latin1', 0, 4) === 'PK\x03\x04';
}

function formatOfMember(name: string): CheckpointFormat | undefined {
  if (/^[^/]*\/data\.pkl$/.test(name) || name === POLICY) return 'pytorch';
  return /\.npy$/i.test(name) ? 'npz' : undefined;
}
