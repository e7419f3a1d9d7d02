import { TensimError } from '../../errors.js';
import { byteCount } from '../../words/counts.js';
import { quote } from '../../words/quoting.js';
import type { ByteSource } from '../source_file.js';
import { damaged } from '../zip/damaged.js';
import { locate, type ZipDirectory, type ZipMember } from '../zip/directory.js';
import { STORED } from '../zip/records.js';
import { type Container, type Extent, MOST_PICKLE, type Pickle, SAVE_ALONE } from './container.js';
import { notACheckpoint, saveAnew } from './remedies.js';

/** The members of a checkpoint's archive: `data.pkl`, and `data/{key}`, a storage each, in a folder of any name. */
export class ZipContainer implements Container {
  readonly #source: ByteSource;
  readonly #directory: ZipDirectory;
  /** Name of the folder that all members are in, with its slash. */
  readonly #folder: string;
  /** Where storages begin, by key. */
  readonly #places = new Map<string, number>();

  constructor(source: ByteSource, directory: ZipDirectory) {
    this.#source = source;
    this.#directory = directory;
    const pickles = [...directory.members.keys()].filter((name) => /^[^/]*\/data\.pkl$/.test(name));
    if (pickles.length !== 1) throw notACheckpoint(source, directory);
    this.#folder = pickles[0].slice(0, -'data.pkl'.length);
  }

  /** Whether it is a TorchScript model: its pickle holds instances of classes that are written beside it. */
  get isScript(): boolean {
    return this.#member('constants.pkl') !== undefined;
  }

  remedy(): string {
    return !this.isScript
      ? SAVE_ALONE
      : 'It is a TorchScript model: save torch.jit.load("file.pt").state_dict() with torch.save';
  }

  async pickle(): Promise<Pickle> {
    const member = this.#member('data.pkl') as ZipMember;
    if (member.size > MOST_PICKLE)
      throw damaged(
        this.#source,
        `its pickle has ${byteCount(member.size)}, at most ${byteCount(MOST_PICKLE)} are read`,
      );
    const at = await this.#locate(member);
    const bytes = Buffer.alloc(member.size);
    await this.#source.read(bytes, at);
    return { bytes, at };
  }

  async isBigEndian(): Promise<boolean> {
    const member = this.#member('byteorder');
    if (member === undefined || member.size > 6) return false;
    const text = Buffer.alloc(member.size);
    await this.#source.read(text, await this.#locate(member));
    return text.toString('latin1') === 'big';
  }

  async storage(key: string): Promise<Extent | undefined> {
    const member = this.#member(`data/${key}`);
    if (member === undefined) return undefined;
    const at = this.#places.get(key) ?? (await this.#locate(member));
    this.#places.set(key, at);
    return { at, size: member.size };
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
