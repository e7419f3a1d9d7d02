import { Pacer, unhurried } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { decodeFloats, floatArray, isFloatFormat } from '../../tensor/convert.js';
import { INTEGER_BYTES, isIntegerFormat, readInteger } from '../../tensor/integers.js';
import { sizeOf } from '../../tensor/tensor.js';
import { quote } from '../../words/quoting.js';
import { MemoryBudget } from '../budget.js';
import { emptyMetadata, LISTING_LIMITS, type TensorEntry } from '../entry.js';
import { checkNames, checkTotal } from '../listing.js';
import type { OpenedFiles } from '../opened_files.js';
import { SourceFile } from '../source_file.js';
import type { Graph, GraphInput, GraphNode } from './graph.js';
import { readNode, readValueInfo } from './node.js';
import { type OnnxTensor, readTensor } from './tensor.js';
import { type Extent, Messages } from './wire.js';

/** Fields of a ModelProto, its metadata and a GraphProto. */
const MODEL = { graph: 7, metadata: 14 };
const PAIR = { key: 1, value: 2 };
const GRAPH = { node: 1, initializer: 5, input: 11, output: 12, sparse: 15 };

/** Elements of a tensor whose numbers are read along with the listing: shapes, axes, bounds. */
const MOST_VALUES = 32;
const MOST_METADATA = 64 * 1024;

/**
 * Opens an ONNX model: lists its tensors, initializers and those of Constant nodes, and reads its graph. Weights are
 * not read, and nothing is run.
 * @throws TensimError `FILE_NOT_FOUND`, or `INVALID_FILE` for what is damaged or cut short, for tensors in other files,
 * and for more than is read
 */
export function openOnnx(path: string, signal?: AbortSignal): Promise<OpenedFiles> {
  return SourceFile.openedFor(path, async (source) => {
    return { sources: [source], ...(await readModel(source, signal)) };
  });
}

async function readModel(source: SourceFile, signal?: AbortSignal): Promise<Omit<OpenedFiles, 'sources'>> {
  const { BinaryReader } = await import('@bufbuild/protobuf/wire');
  const messages = new Messages(source, BinaryReader, new Pacer(signal));
  const budget = new MemoryBudget(source.path);
  const metadata = emptyMetadata();
  let found: Extent | undefined;
  let entries = 0;
  for await (const field of messages.fields(messages.all, 'the model')) {
    if (field.number === MODEL.graph && field.wire === 'bytes') found = field;
    if (field.number !== MODEL.metadata || field.wire !== 'bytes' || ++entries > LISTING_LIMITS.metadataEntries)
      continue;
    const [key, value] = await readPair(messages, field);
    budget.spend(256 + 2 * (key.length + value.length));
    if (key !== '__proto__') metadata[key] = value;
  }
  if (found === undefined) throw messages.damaged(source.size === 0 ? 'is empty' : 'is no ONNX model: it has no graph');
  const reading = new GraphReading(source, messages, budget);
  await reading.read(found);
  await unhurried(checkNames(reading.entries.keys(), source.path, budget), signal);
  checkTotal(reading.entries.values(), source);
  return { metadata, tensors: reading.entries, graph: reading.graph };
}

async function readPair(messages: Messages, extent: Extent): Promise<[key: string, value: string]> {
  const texts = new Map<number, string>();
  for await (const field of messages.fields(extent, 'the metadata'))
    if (field.number === PAIR.key || field.number === PAIR.value)
      texts.set(field.number, (await messages.content(field, MOST_METADATA, 'the metadata')).toString());
  return [texts.get(PAIR.key) ?? '', texts.get(PAIR.value) ?? ''];
}

/** What has been read of a graph. */
class GraphReading {
  readonly entries = new Map<string, TensorEntry>();
  readonly #source: SourceFile;
  readonly #messages: Messages;
  readonly #budget: MemoryBudget;
  readonly #values = new Map<string, readonly number[]>();
  readonly #unread = new Map<string, string>();
  readonly #nodes: GraphNode[] = [];
  readonly #inputs: GraphInput[] = [];
  readonly #outputs: string[] = [];
  /** Of tensors, of whatever kind. */
  readonly #names = new Set<string>();

  constructor(source: SourceFile, messages: Messages, budget: MemoryBudget) {
    this.#source = source;
    this.#messages = messages;
    this.#budget = budget;
  }

  get graph(): Graph {
    return {
      // Before the fourth version of the format, initializers had to be inputs as well.
      inputs: this.#inputs.filter(({ name }) => !this.#names.has(name)),
      outputs: this.#outputs,
      nodes: this.#nodes,
      values: this.#values,
      unread: this.#unread,
    };
  }

  async read(graph: Extent): Promise<void> {
    for await (const field of this.#messages.fields(graph, 'its graph')) {
      if (field.wire !== 'bytes') continue;
      if (field.number === GRAPH.node) await this.#node(field);
      else if (field.number === GRAPH.initializer)
        await this.#tensor(await readTensor(this.#messages, field, this.#source.path));
      else if (field.number === GRAPH.input) this.#inputs.push(await this.#valueInfo(field));
      else if (field.number === GRAPH.output) this.#outputs.push((await this.#valueInfo(field)).name);
      else if (field.number === GRAPH.sparse)
        throw new TensimError('INVALID_FILE', 'has sparse tensors, which are not read', {
          file: this.#source.path,
          hint: 'Export it with its weights as they are',
        });
    }
  }

  async #valueInfo(field: Extent): Promise<GraphInput> {
    this.#budget.spend(1024 + 2 * Math.min(field.bytes, LISTING_LIMITS.nameBytes));
    return readValueInfo(this.#messages, field);
  }

  async #node(field: Extent): Promise<void> {
    const { node, tensor, cost } = await readNode(this.#messages, field);
    this.#budget.spend(cost);
    this.#nodes.push(node);
    if (node.op !== 'Constant') return;
    const [name = ''] = node.outputs;
    const value =
      node.attributes.get('value_ints') ?? node.attributes.get('value_int') ?? node.attributes.get('value_float');
    if (tensor !== undefined) await this.#tensor(await readTensor(this.#messages, tensor, this.#source.path, name));
    else if (value === undefined || typeof value === 'string')
      await this.#tensor({ name, shape: [], problem: 'is written in a way that is not read' });
    else {
      const integers = typeof value === 'number' ? [value] : value;
      await this.#tensor({ name, shape: typeof value === 'number' ? [] : [value.length], integers });
    }
  }

  async #tensor({ name, entry, integers, problem }: OnnxTensor): Promise<void> {
    this.#budget.spend(512 + 4 * name.length);
    if (this.#names.has(name)) throw this.#messages.damaged(`it has two tensors ${quote(name)}`);
    this.#names.add(name);
    if (problem !== undefined) this.#unread.set(name, problem);
    if (integers !== undefined) this.#values.set(name, integers);
    if (entry === undefined) return;
    this.entries.set(name, entry);
    const values = await this.#numbersIn(entry);
    if (values !== undefined) this.#values.set(name, values);
  }

  /** The numbers in a tensor of a few; undefined for others. */
  async #numbersIn({ dtype, shape, bytes, offset }: TensorEntry): Promise<number[] | undefined> {
    const size = sizeOf(shape);
    if (size > MOST_VALUES || shape.length > 1) return undefined;
    const data = Buffer.alloc(bytes);
    await this.#source.read(data, offset);
    if (isFloatFormat(dtype)) {
      const floats = floatArray(dtype, size);
      decodeFloats(data, dtype, floats);
      return Array.from(floats);
    }
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    if (isIntegerFormat(dtype))
      return Array.from({ length: size }, (_, i) => Number(readInteger(view, i * INTEGER_BYTES[dtype], dtype)));
    return dtype === 'BOOL' ? Array.from(data) : undefined;
  }
}
