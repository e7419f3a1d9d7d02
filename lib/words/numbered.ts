import { count } from './counts.js';
import { listed } from './names.js';
import { oneLine } from './quoting.js';

/** Groups of names, and runs of numbers, that one line has room for. */
const MOST_GROUPS = 4;
const MOST_RUNS = 5;

/** What stands before the number of a layer in the names of the field. */
const LAYER = /^(.*?(?:^|[./_])(?:layers?|h|blocks?|blk|resblocks)[./_])(\d{1,6})[./](.+)$/i;
/** A number that is a part of a name by itself. */
const NUMBER = /(?<=^|[./])\d{1,6}(?=[./]|$)/;

/** Names that differ in the number of their layer only. */
interface Group {
  /** The first of them. */
  readonly name: string;
  readonly head: string;
  /** The name behind the number of the layer; the whole name where there is none. */
  readonly rest: string;
  readonly layers: Set<number>;
}

/**
 * Names of tensors in few words: those that differ in numbers only are told once.
 *
 *     numberedNames(['model.layers.0.mlp.up_proj.weight', 'model.layers.1.mlp.up_proj.weight'])
 *     // 'mlp.up_proj of layers 0 and 1'
 *
 * A name that stands alone is told whole, in its order; of more than four groups the first are.
 */
export function numberedNames(names: readonly string[]): string {
  const groups = groupsOf(names);
  const heads = new Set(groups.filter(({ layers }) => layers.size > 0).map(({ head }) => head));
  const texts = new Map<string, string[]>();
  for (const group of acrossNumbers(groups)) {
    const { where, what } = textOf(group, heads.size > 1);
    texts.set(where, [...(texts.get(where) ?? []), what]);
  }
  let left = MOST_GROUPS;
  let more = 0;
  const shown: string[] = [];
  for (const [where, whats] of texts) {
    const some = whats.slice(0, left);
    more += whats.length - some.length;
    left -= some.length;
    // What is cut short within the list that it is in has no "and" before its last.
    const isCut = where === '' && some.length < whats.length;
    if (some.length > 0) shown.push(`${isCut ? some.join(', ') : listed(some, 'and')}${where}`);
  }
  return more === 0 ? listed(shown, 'and') : `${shown.join(', ')} and ${count(more)} more`;
}

/** `0 to 3, 7 and 9 to 11`; of many runs only how many there are, and from where to where. */
export function numberRuns(numbers: Iterable<number>): string {
  const sorted = [...new Set(numbers)].sort((a, b) => a - b);
  const runs: [number, number][] = [];
  for (const number of sorted) {
    const last = runs.at(-1);
    if (last !== undefined && last[1] === number - 1) last[1] = number;
    else runs.push([number, number]);
  }
  if (runs.length > MOST_RUNS) return `${count(sorted.length)} from ${sorted[0]} to ${sorted.at(-1)}`;
  const texts = runs.flatMap(([from, to]) => {
    if (to - from > 1) return [`${from} to ${to}`];
    return from === to ? [`${from}`] : [`${from}`, `${to}`];
  });
  return listed(texts, 'and');
}

/** `layer 3`, `layers 0 to 31`. */
export function layersText(layers: Iterable<number>): string {
  const all = new Set(layers);
  return `${all.size === 1 ? 'layer' : 'layers'} ${numberRuns(all)}`;
}

function groupsOf(names: readonly string[]): Group[] {
  const groups = new Map<string, Group>();
  for (const name of names) {
    const [, head = '', layer, rest = name] = LAYER.exec(name) ?? [];
    const key = `${head}\n${rest}`;
    const group = groups.get(key) ?? { name, head, rest, layers: new Set<number>() };
    if (layer !== undefined) group.layers.add(Number(layer));
    groups.set(key, group);
  }
  return [...groups.values()];
}

/** A group, and the numbers that stand for the star in its `rest`. */
type Starred = Group & { readonly numbers?: readonly number[] };

/** Puts groups together that are of the same layers and differ in one more number, as experts do. */
function acrossNumbers(groups: readonly Group[]): Starred[] {
  const alike = new Map<string, { readonly first: Group; readonly rest: string; readonly numbers: number[] }>();
  for (const group of groups) {
    const [number] = NUMBER.exec(group.rest) ?? [];
    const rest = group.rest.replace(NUMBER, '*');
    const key = [group.head, rest, ...group.layers].join('\n');
    const same = alike.get(key) ?? { first: group, rest, numbers: [] };
    if (number !== undefined) same.numbers.push(Number(number));
    alike.set(key, same);
  }
  return [...alike.values()].map(({ first, rest, numbers }) =>
    numbers.length < 2 ? first : { ...first, rest, numbers },
  );
}

function textOf(
  { name, head, rest, layers, numbers }: Starred,
  withHead: boolean,
): { readonly what: string; readonly where: string } {
  if (layers.size < 2 && numbers === undefined) return { what: oneLine(name), where: '' };
  const star = numbers === undefined ? '' : ` (* is ${numberRuns(numbers)})`;
  if (layers.size === 0) return { what: `${oneLine(rest)}${star}`, where: '' };
  const what = oneLine(`${withHead ? head : ''}${rest.replace(/\.weight$/, '')}`);
  return { what: `${what}${star}`, where: ` of ${layersText(layers)}` };
}
