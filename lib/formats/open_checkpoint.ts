import type { IntegerTensor } from '../tensor/integers.js';
import type { Tensor } from '../tensor/tensor.js';
import { fileChanged } from './changed.js';
import type { CheckpointFormat, StampedCheckpoint, StoredReader } from './checkpoint.js';
import { entryNamed, inFileOrder, partOfEntry, type TensorEntry } from './entry.js';
import type { Graph } from './onnx/graph.js';
import type { OpenedFiles } from './opened_files.js';
import { RunningDigest } from './running_digest.js';
import type { SourceFile } from './source_file.js';
import { jointStamp, type Stamp } from './stamp.js';
import { readBytes, readFloats, readIntegers } from './tensor_data.js';

/** A checkpoint of any format: where its tensors lie is all that is asked of it. */
export class OpenCheckpoint implements StampedCheckpoint {
  readonly path: string;
  readonly format: CheckpointFormat;
  declare readonly place?: string;
  declare readonly graph?: Graph;
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  readonly stamp: Stamp;
  private readonly sources: ReadonlyMap<string, SourceFile>;
  private readonly digest: RunningDigest;

  constructor(path: string, format: CheckpointFormat, { sources, metadata, tensors, place, graph }: OpenedFiles) {
    this.path = path;
    this.format = format;
    if (place !== undefined) this.place = place;
    if (graph !== undefined) this.graph = graph;
    this.metadata = Object.freeze(metadata);
    this.tensors = tensors;
    this.sources = new Map(sources.map((source) => [source.path, source]));
    this.stamp = jointStamp(sources.map((source) => source.stamp));
    this.digest = new RunningDigest(sources);
  }

  get files(): readonly string[] {
    return [...this.sources.keys()];
  }

  async read(name: string, signal?: AbortSignal): Promise<Tensor> {
    signal?.throwIfAborted();
    return this.untouched(name, (source, entry) => readFloats(source, entry, { signal }));
  }

  async readIntegers(name: string, signal?: AbortSignal): Promise<IntegerTensor> {
    signal?.throwIfAborted();
    return this.untouched(name, (source, entry) => readIntegers(source, entry, { signal }));
  }

  async readBytes(name: string, signal?: AbortSignal): Promise<Uint8Array> {
    signal?.throwIfAborted();
    return this.untouched(name, (source, entry) => readBytes(source, entry, { signal }));
  }

  async *readInOrder(names: Iterable<string>, signal?: AbortSignal): AsyncGenerator<[name: string, tensor: Tensor]> {
    for (const entry of this.inOrder(names)) {
      signal?.throwIfAborted();
      const source = this.source(entry.file);
      await this.digest.reach(source, entry.offset, signal);
      const passing = (position: number, piece: Uint8Array) => this.digest.take(source, position, piece);
      yield [entry.name, await readFloats(source, entry, { signal, passing })];
    }
  }

  inTurn(names: Iterable<string>): StoredReader {
    const waiting = this.inOrder(new Set(names)).reverse();
    const read = new Set<TensorEntry>();
    return async (name, part, { signal, memory } = {}) => {
      signal?.throwIfAborted();
      const entry = this.entry(name);
      const source = this.source(entry.file);
      if (entry === waiting.at(-1)) await this.digest.reach(source, entry.offset, signal);
      read.add(entry);
      while (waiting.length > 0 && read.has(waiting.at(-1)!)) waiting.pop();
      const passing = (position: number, piece: Uint8Array) => this.digest.take(source, position, piece);
      const wanted = part === undefined ? entry : partOfEntry(entry, part);
      const bytes = await readBytes(source, wanted, { signal, passing, memory });
      await source.checkUntouched();
      return bytes;
    };
  }

  async sha256(signal?: AbortSignal): Promise<string> {
    signal?.throwIfAborted();
    const digest = await this.digest.finish(signal);
    for (const source of this.sources.values()) await source.checkUntouched();
    return digest;
  }

  async confirm(): Promise<void> {
    const sources = [...this.sources.values()];
    // First all is read again and then all is looked at: what is the same now has lain there in between.
    for (const source of sources) if (!(await source.readsTheSame())) throw fileChanged(source.path);
    for (const source of sources) if (!(await source.isInPlace())) throw fileChanged(source.path);
  }

  async blamed(error: unknown): Promise<unknown> {
    let blamed = error;
    for (const source of this.sources.values()) blamed = await source.blamed(blamed);
    return blamed;
  }

  async close(): Promise<void> {
    await Promise.all([...this.sources.values()].map((source) => source.close()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** As they lie in the files. */
  private inOrder(names: Iterable<string>): TensorEntry[] {
    return inFileOrder(
      [...names].map((name) => this.entry(name)),
      this.files,
    );
  }

  private entry(name: string): TensorEntry {
    return entryNamed(this, name);
  }

  /** Reads of a file that nobody has written to since it was opened. */
  private async untouched<Read>(
    name: string,
    read: (source: SourceFile, entry: TensorEntry) => Promise<Read>,
  ): Promise<Read> {
    const entry = this.entry(name);
    const source = this.source(entry.file);
    const tensor = await read(source, entry);
    await source.checkUntouched();
    return tensor;
  }

  private source(file: string): SourceFile {
    return this.sources.get(file) as SourceFile;
  }
}
