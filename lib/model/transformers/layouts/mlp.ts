import type { Experts, Mlp, Piece, Runs } from '../network.js';
import { extentOf } from '../pieces.js';
import type { MlpNames } from './layout.js';
import type { Scope } from './scope.js';
import type { Names, View } from './view.js';

/** How one MLP lies in its tensors. */
interface Lying {
  readonly transposed?: true;
  /** Of tensors that hold all experts. */
  readonly expert?: number;
  /** In a matrix of gate and up, rows alternate. */
  readonly alternating?: boolean;
}

/** A layer's MLP. What is missing of it the view remembers. */
export function mlpOf(scope: Scope, view: View, names: MlpNames, lying: Lying = {}): Mlp {
  const { alternating, ...about } = lying;
  const { gate, up, down, packed } = names;
  const weightsOf = (modules: Names) => [...scope.weights(modules), ...(about.expert === undefined ? [] : modules)];
  const linear = (modules: Names, rows?: Runs): [weight: Piece, bias: Piece | undefined] => {
    const { transposed: _, ...own } = about;
    const ofStack = about.expert === undefined ? [] : modules.map((module) => `${module}_bias`);
    return [
      view.required(weightsOf(modules), { ...about, ...(rows && { rows }) }),
      view.optional([...scope.biases(modules), ...ofStack], { ...own, ...(rows && { rows }) }),
    ];
  };
  const has = (modules: Names | undefined) => modules !== undefined && view.find(weightsOf(modules)) !== undefined;
  const half = (which: 0 | 1) => {
    const units = outputsOf(scope, view, weightsOf(packed!), about) / 2;
    const rows = alternating
      ? { start: which, run: 1, stride: 2, count: units }
      : { start: which * units, run: units, stride: units, count: 1 };
    return linear(packed!, rows);
  };
  const inOne = has(packed);
  const [gates, gateBias] = inOne ? half(0) : has(gate) ? linear(gate!) : [];
  const [ups, upBias] = inOne ? half(1) : linear(up);
  const [downs, downBias] = linear(down);
  return {
    activation: scope.activation(view),
    ...(gates && { gate: gates }),
    ...(gateBias && { gateBias }),
    up: ups,
    ...(upBias && { upBias }),
    down: downs,
    ...(downBias && { downBias }),
  };
}

function outputsOf(scope: Scope, view: View, names: Names, about: Omit<Piece, 'tensor'>): number {
  const piece = view.optional(names, about)!;
  return extentOf(piece, scope.tensors.get(piece.tensor)!)?.[0] ?? 0;
}

/** What is found of a layer's experts, and why they are not compared as functions. */
interface FoundExperts {
  readonly experts: Experts;
  readonly reason?: string;
}

/** A layer's experts; undefined where it has no router. */
export function expertsOf(scope: Scope, view: View): FoundExperts | undefined {
  const { layout, settings } = scope;
  const { experts: names } = layout;
  const routers = names && scope.weights(names.router);
  if (names === undefined || view.find(routers!) === undefined) return undefined;
  const [router, routerBias] = scope.linear(view, names.router, {});
  const count = extentOf(router, scope.tensors.get(router.tensor)!)?.[0] ?? 0;
  scope.check(router, count, scope.width);
  const isClamped = names.clamped?.(view, settings) === true;
  const stacked = stackOf(scope, view, names.stacked, isClamped);
  const isUnread = stacked === undefined && names.stacked !== undefined && isPacked(view, names.stacked);
  const one = (expert: number): Mlp =>
    stacked === undefined
      ? mlpOf(scope, view, numbered(names.each!, expert))
      : mlpOf(scope, view, names.stacked!, { ...stacked, expert });
  const shared = names.shared && [names.shared.packed, names.shared.up].some((own) => scope.has(view, own));
  const sharedGate = names.sharedGate && view.optional(scope.weights(names.sharedGate));
  const isNamed = names.each !== undefined || stacked !== undefined;
  return {
    experts: {
      router,
      ...(routerBias && { routerBias }),
      experts: isUnread || !isNamed ? [] : Array.from({ length: count }, (_, expert) => one(expert)),
      ...(shared && { shared: mlpOf(scope, view, names.shared!) }),
      ...(sharedGate && { sharedGate }),
    },
    ...(isClamped && { reason: 'clamp their gates, which is no closed form' }),
    ...(isUnread && { reason: 'are quantised (MXFP4), which is not decoded' }),
  };
}

/** How experts lie in tensors that hold all of them; undefined where there are no such tensors. */
function stackOf(
  scope: Scope,
  view: View,
  names: MlpNames | undefined,
  alternating: boolean,
): Pick<Lying, 'transposed' | 'alternating'> | undefined {
  if (names === undefined) return undefined;
  const shapeOf = (modules: Names) => {
    const name = view.find([...scope.weights(modules), ...modules]);
    return name === undefined ? undefined : view.shape(name);
  };
  const [down, first] = [shapeOf(names.down), shapeOf(names.packed ?? names.up) ?? shapeOf(names.up)];
  if (down?.length !== 3 || first?.length !== 3) return undefined;
  // Outputs by inputs unless the sizes say otherwise: those of the one that is no square.
  const [isSquare, d] = [down[1] === down[2], scope.width];
  const transposed = isSquare ? first[1] === d && first[2] !== d : down[1] !== d;
  return { ...(transposed && { transposed }), alternating };
}

/** Weights of four bits in blocks beside their scales. */
function isPacked(view: View, { packed = [], up }: MlpNames): boolean {
  return view.find([...packed, ...up].map((module) => `${module}_blocks`)) !== undefined;
}

function numbered(names: MlpNames, expert: number): MlpNames {
  const own = (modules: Names) => modules.map((module) => module.replace('{E}', String(expert)));
  const { gate, up, down, packed } = names;
  return { ...(gate && { gate: own(gate) }), up: own(up), down: own(down), ...(packed && { packed: own(packed) }) };
}
