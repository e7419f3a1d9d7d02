import { LISTING_LIMITS } from '../entry.js';
import type { Attribute, GraphInput, GraphNode } from './graph.js';
import type { Extent, Messages } from './wire.js';

/** Fields of a NodeProto, an AttributeProto, a ValueInfoProto and what is in it. */
const NODE = { input: 1, output: 2, name: 3, op: 4, attribute: 5, domain: 7 };
const ATTRIBUTE = { name: 1, float: 2, integer: 3, text: 4, tensor: 5, integers: 8 };
const VALUE = { name: 1, type: 2, tensorType: 1, shape: 2, dim: 1, size: 1 };

/** What one node has at most: of inputs, outputs and attributes. */
const MOST_PARTS = 4096;
/** A text is a name: of a mode, a direction. */
const MOST_TEXT = 4096;

/** A node, and the tensor that is its attribute, if it has one. */
export interface NodeFound {
  readonly node: GraphNode;
  readonly tensor: Extent | undefined;
  /** What it takes in memory. */
  readonly cost: number;
}

/** @throws TensimError `INVALID_FILE` */
export async function readNode(messages: Messages, extent: Extent): Promise<NodeFound> {
  const [inputs, outputs]: [string[], string[]] = [[], []];
  const attributes = new Map<string, Attribute>();
  const texts = new Map([NODE.name, NODE.op, NODE.domain].map((field) => [field, '']));
  let tensor: Extent | undefined;
  let [parts, cost] = [0, 512];
  for await (const field of messages.fields(extent, 'a node')) {
    if (++parts > MOST_PARTS) throw messages.damaged(`a node has more than ${MOST_PARTS} parts`);
    cost += 64 + 2 * Math.min(field.bytes, MOST_TEXT);
    const text = async () => (await messages.content(field, LISTING_LIMITS.nameBytes, 'a name')).toString();
    if (field.number === NODE.input) inputs.push(await text());
    else if (field.number === NODE.output) outputs.push(await text());
    else if (texts.has(field.number)) texts.set(field.number, await text());
    else if (field.number === NODE.attribute) {
      const found = await readAttribute(messages, field);
      if (found.value !== undefined) attributes.set(found.name, found.value);
      tensor ??= found.tensor;
    }
  }
  const [name, op, domain] = [NODE.name, NODE.op, NODE.domain].map((field) => texts.get(field) as string);
  return { node: { op, name, domain, inputs, outputs, attributes }, tensor, cost };
}

interface AttributeFound {
  readonly name: string;
  readonly value: Attribute | undefined;
  readonly tensor: Extent | undefined;
}

/** Of graphs within nodes, and lists of anything but whole numbers, nothing is read: no chain of layers has them. */
async function readAttribute(messages: Messages, extent: Extent): Promise<AttributeFound> {
  let name = '';
  let value: Attribute | undefined;
  let tensor: Extent | undefined;
  const integers: number[] = [];
  for await (const field of messages.fields(extent, 'an attribute')) {
    if (field.number === ATTRIBUTE.name)
      name = (await messages.content(field, LISTING_LIMITS.nameBytes, 'a name')).toString();
    else if (field.number === ATTRIBUTE.float) value = await messages.float(field, 'an attribute');
    else if (field.number === ATTRIBUTE.integer) value = await messages.integer(field, 'an attribute');
    else if (field.number === ATTRIBUTE.text)
      value = (await messages.content(field, MOST_TEXT, 'an attribute')).toString();
    else if (field.number === ATTRIBUTE.tensor && field.wire === 'bytes') tensor = field;
    else if (field.number === ATTRIBUTE.integers) {
      for (const one of await messages.integers(field, 'an attribute')) integers.push(one);
      if (integers.length > MOST_PARTS) throw messages.damaged(`an attribute has more than ${MOST_PARTS} numbers`);
    }
  }
  return { name, value: integers.length > 0 ? integers : value, tensor };
}

/** A value that a graph is given, or gives. */
export async function readValueInfo(messages: Messages, extent: Extent): Promise<GraphInput> {
  let name = '';
  let shape: (number | null)[] | undefined;
  for await (const field of messages.fields(extent, 'an input')) {
    if (field.number === VALUE.name)
      name = (await messages.content(field, LISTING_LIMITS.nameBytes, 'a name')).toString();
    else if (field.number === VALUE.type && field.wire === 'bytes')
      for await (const type of messages.fields(field, 'the type of an input'))
        if (type.number === VALUE.tensorType && type.wire === 'bytes')
          for await (const part of messages.fields(type, 'the type of an input'))
            if (part.number === VALUE.shape && part.wire === 'bytes') shape = await readShape(messages, part);
  }
  return { name, shape };
}

async function readShape(messages: Messages, extent: Extent): Promise<(number | null)[]> {
  const shape: (number | null)[] = [];
  for await (const dim of messages.fields(extent, 'a shape')) {
    if (dim.number !== VALUE.dim || dim.wire !== 'bytes') continue;
    let size: number | null = null;
    for await (const field of messages.fields(dim, 'a shape'))
      if (field.number === VALUE.size) size = await messages.integer(field, 'a shape');
    // Zero and less are written by programs that do not know.
    shape.push(size !== null && Number.isSafeInteger(size) && size > 0 ? size : null);
    if (shape.length > LISTING_LIMITS.rank) throw messages.damaged(`a shape has more than ${LISTING_LIMITS.rank} axes`);
  }
  return shape;
}
