import type { GraphNode } from '../../../formats/onnx/graph.js';
import { flattened, permuted, reshaped, type Shape, squeezed, unsqueezed } from './shapes.js';

/** Elements by which numbers keep their values; narrower ones round. */
const WIDE = [1, 11];

/**
 * The shape behind a node that gives the features that it takes, in their order.
 * @param numbers the whole numbers that an input of the node is, null for any
 * @returns undefined for any other node, `moved` where they would not be
 */
export function shapeBehind(
  { op, attributes, inputs, outputs }: GraphNode,
  shape: Shape | undefined,
  numbers: (input: number) => Shape | undefined,
): { readonly shape: Shape | undefined } | 'moved' | undefined {
  const listed = (name: string): readonly number[] | undefined => {
    const value = attributes.get(name);
    return typeof value === 'string' || value === undefined ? undefined : typeof value === 'number' ? [value] : value;
  };
  const given = (name: string): readonly number[] | undefined => {
    const found = listed(name) ?? numbers(1);
    return found?.every((one) => one !== null) ? (found as readonly number[]) : undefined;
  };
  const whole = (found: Shape | undefined) => (found === undefined ? 'moved' : { shape: found });
  switch (op) {
    case 'Identity':
      return { shape };
    case 'Cast':
      return WIDE.includes(Number(attributes.get('to'))) ? { shape } : undefined;
    case 'Dropout': {
      // Only while it is trained.
      const training = (inputs[2] ?? '') === '' ? [0] : numbers(2);
      return training?.length === 1 && training[0] === 0 && outputs.length > 0 ? { shape } : undefined;
    }
    case 'Flatten':
      return shape === undefined ? { shape } : whole(flattened(shape, listed('axis')?.[0] ?? 1));
    case 'Reshape': {
      const target = listed('shape') ?? numbers(1);
      if (target === undefined || (attributes.get('allowzero') === 1 && target.includes(0))) return undefined;
      return shape === undefined ? { shape } : whole(reshaped(shape, target));
    }
    case 'Transpose':
      return shape === undefined ? 'moved' : whole(permuted(shape, listed('perm') ?? [...shape.keys()].reverse()));
    case 'Squeeze': {
      if (shape === undefined) return { shape };
      const isGiven = attributes.has('axes') || (inputs[1] ?? '') !== '';
      const axes = isGiven ? given('axes') : undefined;
      return isGiven && axes === undefined ? undefined : whole(squeezed(shape, axes));
    }
    case 'Unsqueeze': {
      const axes = given('axes');
      return axes === undefined ? undefined : shape === undefined ? { shape } : whole(unsqueezed(shape, axes));
    }
    default:
      return undefined;
  }
}
