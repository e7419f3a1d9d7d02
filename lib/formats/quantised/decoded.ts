import { Pacer } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { littleEndianBytes, numbersIn } from '../../tensor/convert.js';
import type { IntegerTensor } from '../../tensor/integers.js';
import { sizeOf, type Tensor } from '../../tensor/tensor.js';
import type { CheckpointFormat, StampedCheckpoint, StoredReader } from '../checkpoint.js';
import { entryNamed, inFileOrder, type TensorEntry } from '../entry.js';
import type { Graph } from '../onnx/graph.js';
import type { Stamp } from '../stamp.js';
import { allocate } from '../tensor_data.js';
import { readElements } from './rows.js';
import type { QuantisedWeight } from './weight.js';

/**
 * A checkpoint whose quantised weights are decoded when they are read: what each is made of is listed as one tensor of
 * float32 in its place. All else is as it is stored.
 */
export class DecodedCheckpoint implements StampedCheckpoint {
  readonly path: string;
  readonly format: CheckpointFormat;
  declare readonly place?: string;
  declare readonly graph?: Graph;
  readonly files: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly stamp: Stamp;
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  declare readonly spoilt?: TensimError;
  private readonly stored: StampedCheckpoint;
  private readonly weights: ReadonlyMap<string, QuantisedWeight>;
  /** Names of tensors that are called otherwise in the file, by those that are listed. */
  private readonly renamed: ReadonlyMap<string, string>;

  constructor(
    stored: StampedCheckpoint,
    weights: readonly QuantisedWeight[],
    renamed: ReadonlyMap<string, string>,
    spoilt?: TensimError,
  ) {
    this.stored = stored;
    this.path = stored.path;
    this.format = stored.format;
    if (stored.place !== undefined) this.place = stored.place;
    if (stored.graph !== undefined) this.graph = stored.graph;
    this.files = stored.files;
    this.metadata = stored.metadata;
    this.stamp = stored.stamp;
    this.weights = new Map(weights.map((weight) => [weight.name, weight]));
    this.renamed = renamed;
    if (spoilt !== undefined) this.spoilt = spoilt;
    this.tensors = listed(stored, weights, renamed);
  }

  async read(name: string, signal?: AbortSignal): Promise<Tensor> {
    if (!this.weights.has(name)) return this.stored.read(this.nameInFile(name), signal);
    return tensorOf(entryNamed(this, name), await this.readBytes(name, signal));
  }

  async readIntegers(name: string, signal?: AbortSignal): Promise<IntegerTensor> {
    const weight = this.weights.get(name);
    if (weight === undefined) return this.stored.readIntegers(this.nameInFile(name), signal);
    throw new TensimError('UNSUPPORTED_DTYPE', 'elements of a quantised weight are no integers', {
      file: weight.parts[0].entry.file,
      tensor: name,
    });
  }

  async readBytes(name: string, signal?: AbortSignal): Promise<Uint8Array> {
    return this.inTurn([name])(name, undefined, { signal });
  }

  async *readInOrder(names: Iterable<string>, signal?: AbortSignal): AsyncGenerator<[name: string, tensor: Tensor]> {
    const wanted = inFileOrder(
      [...names].map((name) => entryNamed(this, name)),
      this.files,
    );
    const read = this.inTurn(wanted.map(({ name }) => name));
    for (const entry of wanted) {
      const { name } = entry;
      if (this.weights.has(name)) {
        yield [name, tensorOf(entry, await read(name, undefined, { signal }))];
      } else {
        for await (const [, tensor] of this.stored.readInOrder([this.nameInFile(name)], signal)) yield [name, tensor];
      }
    }
  }

  inTurn(names: Iterable<string>): StoredReader {
    const read = this.stored.inTurn(
      [...names].flatMap((name) => {
        const weight = this.weights.get(name);
        return weight === undefined ? [this.nameInFile(name)] : weight.parts.map(({ entry }) => entry.name);
      }),
    );
    return async (name, part, options = {}) => {
      const weight = this.weights.get(name);
      if (weight === undefined) return read(this.nameInFile(name), part, options);
      const { signal, memory } = options;
      const entry = entryNamed(this, name);
      const { from, to } = part ?? { from: 0, to: sizeOf(entry.shape) };
      const length = to - from;
      const values = allocate(entry, () =>
        memory === undefined ? new Float32Array(length) : new Float32Array(memory(4 * length), 0, length),
      );
      await readElements(weight, { from, to }, { read, signal, order: this.files }, values, new Pacer(signal));
      return littleEndianBytes(values);
    };
  }

  sha256(signal?: AbortSignal): Promise<string> {
    return this.stored.sha256(signal);
  }

  confirm(): Promise<void> {
    return this.stored.confirm();
  }

  blamed(error: unknown): Promise<unknown> {
    return this.stored.blamed(error);
  }

  close(): Promise<void> {
    return this.stored.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private nameInFile(name: string): string {
    return this.renamed.get(entryNamed(this, name).name) ?? name;
  }
}

const tensorOf = ({ shape }: TensorEntry, bytes: Uint8Array): Tensor => ({
  data: numbersIn(bytes, 'F32'),
  shape: Object.freeze([...shape]),
});

/** What is listed: weights in the places of their largest parts, without the others, and all else as it is stored. */
function listed(
  { tensors }: StampedCheckpoint,
  weights: readonly QuantisedWeight[],
  renamed: ReadonlyMap<string, string>,
): ReadonlyMap<string, TensorEntry> {
  const made = new Map(weights.map((weight) => [weight.parts[0].entry.name, entryOf(weight)]));
  const hidden = new Set(weights.flatMap(({ parts }) => parts.map(({ entry }) => entry.name)));
  const names = new Map([...renamed].map(([name, stored]) => [stored, name]));
  const entries = [...tensors.values()].flatMap((entry): TensorEntry[] => {
    const weight = made.get(entry.name);
    if (weight !== undefined) return [weight];
    if (hidden.has(entry.name)) return [];
    const name = names.get(entry.name);
    return [name === undefined ? entry : { ...entry, name }];
  });
  return new Map(entries.map((entry) => [entry.name, entry]));
}

function entryOf({ name, shape, quantised, parts }: QuantisedWeight): TensorEntry {
  const [{ entry, byRows }] = parts;
  return {
    name,
    dtype: 'F32',
    shape,
    bytes: 4 * sizeOf(shape),
    file: entry.file,
    offset: entry.offset,
    ...(byRows === undefined && { whole: true as const }),
    quantised: { ...quantised, stored: parts.map((part) => part.entry.name) },
  };
}
