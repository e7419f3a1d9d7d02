/* The order in which linear layers follow each other, by their names alone. */

/** Names of a first layer, of those in the middle, which are numbered, and of a last one; without `_` and case. */
const FIRST =
  /^(?:in(?:put|p)?(?:layer|linear|fc|lin|proj)?|(?:layer|linear|fc|lin|dense|h)in(?:put)?|first(?:layer)?|(?:fc|layer)first)$/;
const MIDDLE = new Set(
  (
    'fc fcs fully fclayer fclayers l lin lins linear linears linearlayer linearlayers dense denses denselayer layer layers ' +
    'h hidden hiddens hiddenlayer hiddenlayers w ff ffn mlp mlps net network main model seq sequential stack ' +
    'linearrelustack trunk affine'
  ).split(' '),
);
const LAST =
  /^(?:out(?:put|puts)?(?:layer|linear|fc|lin|proj)?|(?:layer|linear|fc|lin|dense)(?:out(?:put)?|last|final)|last(?:layer)?|final(?:layer|linear|fc)?|head|classifier|readout|logits?|regressor|predict(?:ion|or)?|actionnet)$/;
/** Two layers around a wide hidden one, as the blocks of transformers have them. */
const PAIRS = [
  ['cfc', 'cproj'],
  ['upproj', 'downproj'],
  ['up', 'down'],
  ['wi', 'wo'],
  ['densehto4h', 'dense4htoh'],
  ['intermediate', 'output'],
] as const;

/** Where a layer of some name stands. */
interface Place {
  /** 0 first, 1 in the middle, 2 last. */
  readonly rank: 0 | 1 | 2;
  /** What layers in the middle are called. */
  readonly stem: string;
  readonly number: number;
  /** How the number is written: by itself, as in a torch.nn.Sequential; behind `_`; or right behind the stem. */
  readonly written: 'alone' | 'spaced' | 'close' | 'not';
}

/** The order of layers of these names, and whether their numbers leave room for a module between any two. */
export interface Order {
  /** Indices, from the first layer to the last. */
  readonly order: readonly number[];
  /** The two that follow each other at once where others do not: nothing can stand between them. */
  readonly adjacent: readonly [number, number] | undefined;
}

/** Undefined for names that say no order, or that say more than one thing. */
export function orderOf(paths: readonly (readonly string[])[]): Order | undefined {
  if (paths.length === 1) return { order: [0], adjacent: undefined };
  const bare = paths.map((path) => path.map(plain));
  const pair = PAIRS.find((names) => bare.length === 2 && names.every((name) => bare.some(([one]) => one === name)));
  if (pair !== undefined && bare.every((path) => path.length === 1))
    return { order: bare[0][0] === pair[0] ? [0, 1] : [1, 0], adjacent: undefined };
  const places = paths.map(placeOf);
  if (!places.every((place) => place !== undefined)) return undefined;
  const middle = places.filter(({ rank }) => rank === 1);
  if (new Set(middle.map(({ stem }) => stem)).size > 1) return undefined;
  // `dense` stands before `dense_1`; whether `fc` stands before `fc1` or behind it, nobody knows.
  const ways = new Set(middle.map(({ written }) => written));
  if (ways.has('not') && middle.length > 1 && !(ways.size === 2 && ways.has('spaced'))) return undefined;
  const key = ({ rank, number }: Place) => rank * 1e9 + number;
  if (new Set(places.map(key)).size < places.length) return undefined;
  const order = places.map((_, index) => index).sort((a, b) => key(places[a]) - key(places[b]));
  const steps = order.slice(1).map((to, at): [number, number] => [order[at], to]);
  const inside = steps.filter((step) => step.every((at) => places[at].written === 'alone'));
  const gap = ([from, to]: readonly [number, number]) => places[to].number - places[from].number;
  const mixed = inside.some((step) => gap(step) > 1);
  return { order, adjacent: mixed ? inside.find((step) => gap(step) === 1) : undefined };
}

const plain = (part: string): string => part.toLowerCase().replace(/[-_]/g, '');

function placeOf(path: readonly string[]): Place | undefined {
  const last = path.at(-1);
  if (last === undefined) return undefined;
  const [, before = last, space, digits] = /^(.*?)(_?)(\d{1,8})$/.exec(last) ?? [];
  const [stem = '', ...more] = [...path.slice(0, -1), before].map(plain).filter((part) => part !== '');
  if (more.length > 0) return undefined;
  if (digits !== undefined) {
    const written = before === '' ? 'alone' : space === '' ? 'close' : 'spaced';
    return stem === '' || MIDDLE.has(stem) ? { rank: 1, stem, number: Number(digits), written } : undefined;
  }
  const rank = FIRST.test(stem) ? 0 : LAST.test(stem) ? 2 : 1;
  return rank === 1 && !MIDDLE.has(stem) ? undefined : { rank, stem, number: rank === 1 ? -1 : 0, written: 'not' };
}
