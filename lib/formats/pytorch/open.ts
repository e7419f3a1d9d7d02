import { Pacer, unhurried } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { MemoryBudget } from '../budget.js';
import type { TensorEntry } from '../entry.js';
import { checkNames, checkTotal } from '../listing.js';
import { NoModelError } from '../no_model.js';
import type { OpenedFiles, OpenOptions } from '../opened_files.js';
import { type ByteSource, partOf, SourceFile } from '../source_file.js';
import { readDirectory, type ZipDirectory } from '../zip/directory.js';
import { Archive } from './archive.js';
import type { Refusals } from './choose.js';
import type { Container } from './container.js';
import { LEGACY_START, LegacyContainer } from './legacy_container.js';
import { pathText } from './places.js';
import { findInner, locateStored, policyMetadata } from './policy_archive.js';
import { notAnArchive } from './remedies.js';
import { findStateDict, type StateDict } from './state_dict.js';
import { unpickle } from './unpickle.js';
import { ZipContainer } from './zip_container.js';

/** What listing a tensor takes, in multiply-adds. */
const ENTRY_WORK = 1 << 10;

const ARCHIVE_START = Buffer.from('PK\x03\x04', 'latin1');

/**
 * Opens the archive that torch.save has written since version 1.6 (a ZIP file of uncompressed members, with `data.pkl`,
 * a pickle of everything but the numbers, and `data/{key}`, a storage of numbers each), or what it wrote before, and
 * lists the tensors of its state dict. Nothing of the pickle is executed; what it asks for beside tensors and plain data is opaque. Storages are
 * not read before their tensors are, and those of an optimizer never. Checksums are not looked at, as torch does not:
 * it can be told to write none.
 * @throws TensimError `FILE_NOT_FOUND`, or `INVALID_FILE` for other formats of PyTorch, with a way to convert them, for
 * what is damaged, for a state dict of which something is not read, and where it is not clear which of several is meant
 */
export function openPytorch(path: string, options: OpenOptions = {}): Promise<OpenedFiles> {
  return SourceFile.openedFor(path, async (source) => {
    return { sources: [source], ...(await readArchives(source, options)) };
  });
}

/** The archive itself, or one within it, as stable-baselines3 saves several in one; or what was written before archives. */
async function readArchives(source: SourceFile, options: OpenOptions): Promise<Contents> {
  const { signal } = options;
  const budget = new MemoryBudget(source.path);
  if (await startsWith(source, LEGACY_START)) return readLegacy(source, budget, options);
  if (!(await startsWith(source, ARCHIVE_START))) throw await notAnArchive(source);
  const directory = await readDirectory(source, budget, signal);
  const inner = findInner(source, directory, options.key);
  if (inner === undefined) return readArchive(source, directory, budget, options);
  const { member, key } = inner;
  const from = await locateStored(source, directory, member);
  const part = partOf(source, from, member.size);
  const within = { key, signal };
  const isLegacy = await startsWith(part, LEGACY_START);
  if (!isLegacy && !(await startsWith(part, ARCHIVE_START))) throw await notAnArchive(part, member.name);
  const { tensors, metadata, place } = isLegacy
    ? await readLegacy(part, budget, within)
    : await readArchive(part, await readDirectory(part, budget, signal), budget, within);
  return {
    tensors: new Map([...tensors].map(([name, entry]) => [name, { ...entry, offset: entry.offset + from }])),
    metadata: Object.assign(metadata, await policyMetadata(source, directory, budget)),
    place: place === '.' ? member.name : `${member.name}.${place}`,
  };
}

async function startsWith(source: ByteSource, bytes: Buffer): Promise<boolean> {
  const start = Buffer.alloc(Math.min(bytes.length, source.size));
  await source.read(start, 0);
  return start.equals(bytes);
}

/** What a file holds. */
type Contents = Omit<OpenedFiles, 'sources' | 'metadata'> & { readonly metadata: Record<string, string> };

async function readArchive(
  source: ByteSource,
  directory: ZipDirectory,
  budget: MemoryBudget,
  options: OpenOptions,
): Promise<Contents> {
  const container = new ZipContainer(source, directory);
  if (container.isScript)
    throw new TensimError('INVALID_FILE', 'its pickle is that of a program', {
      file: source.path,
      hint: container.remedy(),
    });
  return readFrom(container, source, directory.start, budget, options);
}

const readLegacy = (source: ByteSource, budget: MemoryBudget, options: OpenOptions): Promise<Contents> =>
  readFrom(new LegacyContainer(source, budget), source, source.size, budget, options);

/** @param size of the pickle and the storages. */
async function readFrom(
  container: Container,
  source: ByteSource,
  size: number,
  budget: MemoryBudget,
  { key, signal }: OpenOptions,
): Promise<Contents> {
  const { path: file } = source;
  const hint = container.remedy();
  const fail = (problem: string) => new TensimError('INVALID_FILE', `its pickle ${problem}`, { file, hint });
  const refusals: Refusals = {
    fail,
    none: (problem) => new NoModelError('INVALID_FILE', `its pickle ${problem}`, { file, hint }),
    several: (problem) =>
      new TensimError('INVALID_FILE', problem, { file, hint: 'Say which: --key NAME, option "key"' }),
  };
  const archive = await Archive.open(source, container);
  // Beside the listing, memory may be as large as the file; of that the pickle and the directory are held.
  budget.allow(size - archive.pickle.length);
  const root = await unhurried(unpickle(archive.pickle, budget, fail, { note: container.note }), signal);
  await container.settle?.(signal);
  const found = await unhurried(
    findStateDict(root, key, budget, refusals, (...problem) => archive.wrong(...problem)),
    signal,
  );
  const { path, tensors } = found;
  await unhurried(checkNames(tensors.keys(), file, budget), signal);
  const entries = new Map<string, TensorEntry>();
  const pacer = new Pacer(signal);
  for (const [name, tensor] of tensors) {
    if (pacer.due(ENTRY_WORK)) await pacer.pause();
    entries.set(name, await archive.entry(name, tensor, pacer));
  }
  checkTotal(entries.values(), source);
  return { metadata: await metadataOf(found, archive), tensors: entries, place: pathText(path) };
}

/** What stands beside the state dict. Of numbers there that cannot be read nothing is said: they are no weights. */
async function metadataOf({ metadata, counters }: StateDict, archive: Archive) {
  for (const [name, value] of counters) {
    const text = await archive.scalar(name, value).catch((error: unknown) => {
      if (!(error instanceof TensimError)) throw error;
    });
    if (text !== undefined) metadata[name] = text;
  }
  return metadata;
}
