import { Pacer, unhurried } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { sizeOf } from '../../tensor/tensor.js';
import { byteCount, count } from '../../words/counts.js';
import { quote } from '../../words/quoting.js';
import { MemoryBudget } from '../budget.js';
import type { TensorEntry } from '../entry.js';
import { checkNames, checkTotal } from '../listing.js';
import type { OpenedFiles } from '../opened_files.js';
import { SourceFile } from '../source_file.js';
import { isRowMajor, isWalkable, spanOf } from '../strided.js';
import { damaged } from '../zip/damaged.js';
import { locate, readDirectory, type ZipDirectory, type ZipMember } from '../zip/directory.js';
import { STORED } from '../zip/records.js';
import { ELEMENT_BYTES } from './globals.js';
import { notACheckpoint, notAnArchive, saveAnew } from './remedies.js';
import { findStateDict } from './state_dict.js';
import { unpickle } from './unpickle.js';
import type { PickledTensor, Value } from './values.js';

/** Far above the pickle of any state dict, whose numbers lie elsewhere. */
const MOST_PICKLE = 256 * 1024 * 1024;
/** A tensor with strides of zero has more elements than the file: no more than this. */
const MOST_EXPANDED = 1 << 20;

/** What listing a tensor takes, in multiply-adds. */
const ENTRY_WORK = 1 << 10;

const ARCHIVE_START = Buffer.from('PK\x03\x04', 'latin1');

/**
 * Opens the archive that torch.save has written since version 1.6 (a ZIP file of uncompressed members, with `data.pkl`,
 * a pickle of everything but the numbers, and `data/{key}`, a storage of numbers each) and lists the tensors of its
 * state dict. Nothing of the pickle is executed. Storages are not read before their tensors are, and those of an
 * optimizer never. Checksums are not looked at, as torch does not: it can be told to write none.
 * @throws TensimError `FILE_NOT_FOUND`, or `INVALID_FILE` for other formats of PyTorch, with a way to convert them, for
 * what is damaged, and for pickles that ask for more than a state dict needs
 */
export async function openPytorch(path: string, signal?: AbortSignal): Promise<OpenedFiles> {
  const source = await SourceFile.open(path);
  try {
    return { sources: [source], ...(await readArchive(source, signal)) };
  } catch (error) {
    await source.close();
    throw error;
  }
}

async function readArchive(source: SourceFile, signal?: AbortSignal): Promise<Omit<OpenedFiles, 'sources'>> {
  const { path: file } = source;
  const start = Buffer.alloc(Math.min(ARCHIVE_START.length, source.size));
  await source.read(start, 0);
  if (!start.equals(ARCHIVE_START)) throw await notAnArchive(source);
  const budget = new MemoryBudget(file);
  const archive = new Archive(source, await readDirectory(source, budget, signal));
  const fail = (problem: string) =>
    new TensimError('INVALID_FILE', `its pickle ${problem}`, { file, hint: archive.remedy() });
  const root: Value = await unhurried(unpickle(await archive.pickle(), budget, fail), signal);
  const { tensors, metadata } = findStateDict(root, fail);
  await unhurried(checkNames(tensors.keys(), file, budget), signal);
  const bigEndian = await archive.isBigEndian();
  const entries = new Map<string, TensorEntry>();
  const pacer = new Pacer(signal);
  for (const [name, tensor] of tensors) {
    if (pacer.due(ENTRY_WORK)) await pacer.pause();
    const entry = await archive.entry(name, tensor);
    entries.set(name, bigEndian ? { ...entry, bigEndian } : entry);
  }
  checkTotal(entries.values(), source);
  return { metadata, tensors: entries };
}

/** The members of a checkpoint's archive. */
class Archive {
  readonly #source: SourceFile;
  readonly #directory: ZipDirectory;
  /** Name of the folder that all members are in, with its slash. */
  readonly #folder: string;
  /** Where storages begin, by key. */
  readonly #places = new Map<string, number>();

  constructor(source: SourceFile, directory: ZipDirectory) {
    this.#source = source;
    this.#directory = directory;
    const pickles = [...directory.members.keys()].filter((name) => /^[^/]*\/data\.pkl$/.test(name));
    if (pickles.length !== 1) throw notACheckpoint(source, directory);
    this.#folder = pickles[0].slice(0, -'data.pkl'.length);
  }

  /** What helps where the pickle is refused. */
  remedy(): string {
    return this.#member('constants.pkl') === undefined
      ? 'Nothing of it was executed. Save the state dict alone: torch.save(model.state_dict(), "file.pt")'
      : 'It is a TorchScript model: save torch.jit.load("file.pt").state_dict() with torch.save';
  }

  async pickle(): Promise<Buffer> {
    const member = this.#member('data.pkl') as ZipMember;
    if (member.size > MOST_PICKLE)
      throw damaged(
        this.#source,
        `its pickle has ${byteCount(member.size)}, at most ${byteCount(MOST_PICKLE)} are read`,
      );
    const at = await this.#locate(member);
    const bytes = Buffer.alloc(member.size);
    await this.#source.read(bytes, at);
    return bytes;
  }

  async isBigEndian(): Promise<boolean> {
    const member = this.#member('byteorder');
    if (member === undefined || member.size > 6) return false;
    const text = Buffer.alloc(member.size);
    await this.#source.read(text, await this.#locate(member));
    return text.toString('latin1') === 'big';
  }

  /** The listing of a tensor, if it lies within its storage. */
  async entry(name: string, tensor: PickledTensor): Promise<TensorEntry> {
    const { storage, dtype, offset, shape, strides } = tensor;
    const wrong = (problem: string, hint?: string) => wrongTensor(this.#source.path, name, problem, hint);
    const member = this.#member(`data/${storage.key}`);
    if (member === undefined) throw wrong(`its storage ${quote(storage.key)} is missing`);
    const width = ELEMENT_BYTES.get(dtype) as number;
    const bytes = storage.elements * (storage.dtype === null ? 1 : (ELEMENT_BYTES.get(storage.dtype) as number));
    if (bytes > member.size)
      throw wrong(`its storage is said to have ${byteCount(bytes)}, and has ${byteCount(member.size)}`);
    const held = Math.floor(bytes / width);
    const size = sizeOf(shape);
    if (!Number.isSafeInteger(size) || !(offset + spanOf(shape, strides) <= held))
      throw wrong(`shape [${shape.join(', ')}] does not fit into its storage of ${count(held)} elements`);
    if (size > held && size > MOST_EXPANDED)
      throw wrong(`shape [${shape.join(', ')}] repeats its ${count(held)} elements without end`);
    if (!isWalkable(shape, strides)) throw wrong('its elements overlap in memory', 'Save tensor.contiguous() instead');
    const begin = this.#places.get(storage.key) ?? (await this.#locate(member));
    this.#places.set(storage.key, begin);
    return {
      name,
      dtype,
      shape,
      bytes: size * width,
      file: this.#source.path,
      offset: begin + offset * width,
      ...(!isRowMajor(shape, strides) && { strides }),
    };
  }

  #member(name: string): ZipMember | undefined {
    return this.#directory.members.get(this.#folder + name);
  }

  #locate(member: ZipMember): Promise<number> {
    const { path: file } = this.#source;
    if (member.encrypted || member.method !== STORED)
      throw new TensimError(
        'INVALID_FILE',
        `its member ${quote(member.name)} is ${member.encrypted ? 'encrypted' : 'compressed'}, which torch.save never does`,
        { file, hint: saveAnew(file) },
      );
    return locate(this.#source, this.#directory, member);
  }
}

function wrongTensor(file: string, tensor: string, problem: string, hint?: string): TensimError {
  return new TensimError('INVALID_FILE', problem, {
    file,
    tensor,
    hint: hint ?? 'The file is damaged: copy or download it again',
  });
}
