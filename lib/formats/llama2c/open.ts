import { TensimError } from '../../errors.js';
import { sizeOf } from '../../tensor/tensor.js';
import { byteCount } from '../../words/counts.js';
import type { TensorEntry } from '../entry.js';
import { LISTING_LIMITS } from '../entry.js';
import type { OpenedFiles } from '../opened_files.js';
import { SourceFile } from '../source_file.js';

/** Settings of the network, in the order of the header. */
const SETTINGS = ['dim', 'hidden_dim', 'n_layers', 'n_heads', 'n_kv_heads', 'vocab_size', 'max_seq_len'] as const;
type Settings = Readonly<Record<(typeof SETTINGS)[number], number>>;

/** "ak42", with which all versions but the first begin. */
const MAGIC = 0x616b3432;
const HEADER = { plain: 28, padded: 256 } as const;
/** Bytes that tell what a file is. */
const LLAMA2C_START = 64;

/** What a file says of itself. */
interface Header extends Settings {
  readonly version: number;
  readonly shared: boolean;
  /** Where the first tensor begins. */
  readonly begin: number;
}

/** A tensor of the network, or one of every layer: its name, and its shape. */
type Part = readonly [name: string, shape: readonly number[], perLayer?: boolean];

/** Whether a file of this size that begins so is one of llama2.c: its size is what its settings say. */
export function isLlama2c(start: Buffer, size: number): boolean {
  const header = headerOf(start);
  return header !== undefined && (header.version > 1 || header.begin + bytesOf(header) === size);
}

/**
 * Opens a model that llama2.c runs, of its versions 0 and 1: float32 without names, which are given as Meta's own
 * checkpoints have them (`layers.0.attention.wq.weight`, …), a tensor for every layer. The settings are the metadata.
 * @throws TensimError `FILE_NOT_FOUND`; `INVALID_FILE` for what is none, cut short, or quantised
 */
export function openLlama2c(path: string): Promise<OpenedFiles> {
  return SourceFile.openedFor(path, async (source) => {
    const start = Buffer.alloc(Math.min(LLAMA2C_START, source.size));
    await source.read(start, 0);
    const header = headerOf(start);
    const refused = (problem: string, hint = 'The file is damaged: copy, download or convert it again') =>
      new TensimError('INVALID_FILE', problem, { file: path, hint });
    if (header === undefined) throw refused('is no model of llama2.c');
    if (header.version > 1)
      throw refused(
        `is a model of llama2.c of version ${header.version}, which is quantised`,
        'Use the float32 file that it was made from (export.py --version 0 or 1)',
      );
    const expected = header.begin + bytesOf(header);
    if (expected !== source.size)
      throw refused(`its settings make ${byteCount(expected)}, and it has ${byteCount(source.size)}`);
    return { sources: [source], metadata: metadataOf(header), tensors: entriesOf(header, path) };
  });
}

/** Undefined where no network has such settings. */
function headerOf(start: Buffer): Header | undefined {
  if (start.length < HEADER.plain) return undefined;
  const marked = start.readUInt32LE(0) === MAGIC && start.length >= 8 + HEADER.plain + 1;
  const version = marked ? start.readInt32LE(4) : 0;
  const values = SETTINGS.map((_, i) => start.readInt32LE((marked ? 8 : 0) + 4 * i));
  const named = Object.fromEntries(SETTINGS.map((name, i) => [name, values[i]])) as Settings;
  const vocabulary = Math.abs(named.vocab_size);
  const settings = { ...named, vocab_size: vocabulary };
  const { dim, n_layers, n_heads, n_kv_heads } = settings;
  const possible =
    Object.values(settings).every((value) => value > 0 && value < 2 ** 24) &&
    9 * n_layers + 5 <= LISTING_LIMITS.tensors &&
    dim % n_heads === 0 &&
    (dim / n_heads) % 2 === 0 &&
    n_heads % n_kv_heads === 0 &&
    version >= (marked ? 1 : 0);
  if (!possible) return undefined;
  // In the first version, the sign of the vocabulary says whether the last layer has weights of its own.
  const shared = marked ? start[8 + HEADER.plain] !== 0 : named.vocab_size > 0;
  return { ...settings, version, shared, begin: marked ? HEADER.padded : HEADER.plain };
}

/** In the order of the file. */
function partsOf({ version, shared, ...settings }: Header): readonly Part[] {
  const { dim, hidden_dim: hidden, n_heads, n_kv_heads, vocab_size, max_seq_len } = settings;
  const kv = (dim / n_heads) * n_kv_heads;
  const half = dim / n_heads / 2;
  const embedding: Part = ['tok_embeddings.weight', [vocab_size, dim]];
  const norms: readonly Part[] = [
    ['attention_norm.weight', [dim], true],
    ['ffn_norm.weight', [dim], true],
  ];
  const attention: readonly Part[] = [
    ['attention.wq.weight', [dim, dim], true],
    ['attention.wk.weight', [kv, dim], true],
    ['attention.wv.weight', [kv, dim], true],
    ['attention.wo.weight', [dim, dim], true],
  ];
  const feedForward: readonly Part[] = [
    ['feed_forward.w1.weight', [hidden, dim], true],
    ['feed_forward.w2.weight', [dim, hidden], true],
    ['feed_forward.w3.weight', [hidden, dim], true],
  ];
  const norm: Part = ['norm.weight', [dim]];
  const tables: readonly Part[] = [
    ['freqs_cos', [max_seq_len, half]],
    ['freqs_sin', [max_seq_len, half]],
  ];
  const output: readonly Part[] = shared ? [] : [['output.weight', [vocab_size, dim]]];
  return version === 0
    ? [embedding, norms[0], ...attention, norms[1], ...feedForward, norm, ...tables, ...output]
    : [...norms, norm, embedding, ...attention, ...feedForward, ...output];
}

const bytesOf = (header: Header): number =>
  partsOf(header).reduce((sum, [, shape, perLayer]) => sum + 4 * sizeOf(shape) * (perLayer ? header.n_layers : 1), 0);

function entriesOf(header: Header, file: string): ReadonlyMap<string, TensorEntry> {
  const entries = new Map<string, TensorEntry>();
  let offset = header.begin;
  for (const [part, shape, perLayer] of partsOf(header))
    for (let layer = 0; layer < (perLayer ? header.n_layers : 1); layer++) {
      const name = perLayer ? `layers.${layer}.${part}` : part;
      const bytes = 4 * sizeOf(shape);
      entries.set(name, { name, dtype: 'F32', shape, bytes, file, offset });
      offset += bytes;
    }
  return entries;
}

function metadataOf({ version, shared, begin, ...settings }: Header): Record<string, string> {
  const texts = Object.entries(settings).map(([name, value]) => [name, String(value)]);
  return Object.fromEntries([...texts, ['tie_word_embeddings', String(shared)]]);
}
