import { basename } from 'node:path';
import { TensimError } from '../../errors.js';
import { lookAlike } from '../look_alike.js';
import { NoModelError } from '../no_model.js';
import type { ByteSource } from '../source_file.js';
import type { ZipDirectory } from '../zip/directory.js';

/** Where a tar archive says that it is one. */
const TAR_MAGIC = { text: 'ustar', at: 257 } as const;
const LOOKED_AT = TAR_MAGIC.at + TAR_MAGIC.text.length;

/** Two lines of Python that save a file anew, as the archive that is read here. */
export function saveAnew(path: string, load = 'torch.load("FILE", map_location="cpu", weights_only=True)'): string {
  const file = JSON.stringify(basename(path)).slice(1, -1);
  return `Convert it with: import torch; torch.save(${load.replace('FILE', file)}, "${file.replace(/\.\w+$/, '')}.new.pt")`;
}

/** What Python opens in the place of a file, for a member of an archive. */
const memberOf = (path: string, member: string): string =>
  `__import__("io").BytesIO(__import__("zipfile").ZipFile(${path}).read("${member}"))`;

/**
 * Why a file with the name of a PyTorch checkpoint is not what torch.save writes, or wrote before version 1.6.
 * @param member of the archive that the file is, if it is one within it
 */
export async function notAnArchive(source: ByteSource, member?: string): Promise<TensimError> {
  const { path: file, size } = source;
  const start = Buffer.alloc(Math.min(size, LOOKED_AT));
  await source.read(start, 0);
  const refused = (problem: string, hint: string) =>
    new TensimError('INVALID_FILE', member === undefined ? problem : `its member "${member}" ${problem}`, {
      file,
      hint: member === undefined ? hint : hint.replace(/(?<=\()"[^"]*"(?=,)/, (path) => memberOf(path, member)),
    });
  if (start.toString('latin1', TAR_MAGIC.at, LOOKED_AT) === TAR_MAGIC.text)
    return refused(
      'is a tar archive, as torch.save wrote them before version 0.1.10',
      `${saveAnew(file, 'torch.load("FILE", map_location="cpu", weights_only=False)')}, if you trust the file: loading such a one can run code in it`,
    );
  if (start[0] === 0x80 && start[1] >= 2 && start[1] <= 5)
    return refused(
      'is a plain pickle, not an archive of torch.save',
      `${saveAnew(file, '__import__("pickle").load(open("FILE", "rb"))')}, if you trust the file: loading a pickle can run code in it`,
    );
  // Many programs call their own data .bin: token ids, vocabularies.
  if (size > 0 && /\.bin$/i.test(file) && lookAlike(start) === undefined)
    return new NoModelError('INVALID_FILE', 'is no PyTorch checkpoint: it does not begin as an archive', {
      file,
      hint: 'It is the data of another program, or damaged: download or export it again',
    });
  return refused(
    size === 0 ? 'is empty' : 'is no PyTorch checkpoint: it does not begin as an archive',
    lookAlike(start) ?? 'The file is damaged or of another kind: download or export it again',
  );
}

/** Why an archive without a state dict's pickle, or with more beside it, is none. */
export function notACheckpoint(source: ByteSource, { members }: ZipDirectory): TensimError {
  const names = [...members.keys()];
  const { path: file } = source;
  if (names.some((name) => name.endsWith('.npy')))
    return new TensimError('INVALID_FILE', 'is a NumPy archive', { file, hint: 'Give it the ending .npz' });
  return new TensimError('INVALID_FILE', 'is an archive without the one data.pkl of a PyTorch checkpoint', {
    file,
    hint: 'Save the state dict with torch.save(model.state_dict(), "file.pt")',
  });
}
