import type { AdapterMatrix } from '../../adapters/terms.js';
import { count, plural } from '../../words/counts.js';
import { amountText, similarityText } from '../../words/numbers.js';
import { oneLine } from '../../words/quoting.js';
import { abbreviateAll } from '../labels.js';
import { bold, columns, type TextOptions } from '../text.js';

/** Adapters of which all cosines fit beside each other. */
const MOST_SHOWN = 10;
/** Adapters that are listed, and pairs of them. */
const MOST_LISTED = 40;
const MOST_PAIRS = 5;
const LONGEST_LABEL = 28;

/** What `tensim adapters` prints: the adapters, their cosines or those of the nearest and the farthest pairs. */
export function adaptersText(result: AdapterMatrix, { colour = false }: TextOptions = {}): string {
  const { adapters, gram, cosine, modules, dtype, backend, notes } = result;
  const labels = abbreviateAll(
    result.labels.map((label) => oneLine(label)),
    LONGEST_LABEL,
  );
  const listed = adapters
    .slice(0, MOST_LISTED)
    .map(({ kind, rank, scale, modules: own }, i) => [
      ...[String(i), labels[i], kind, String(rank), amountText(scale, 4), count(own)],
      amountText(Math.sqrt(gram[i][i]), 4),
    ]);
  const head = ['', 'adapter', 'kind', 'rank', 'scale', 'weights', '‖ΔW‖'];
  const rest = adapters.length - listed.length;
  const about = [
    'ΔW = s · B A of all weights as one vector, from the factors alone',
    `${dtype} · backend ${backend}`,
    ...notes.map(oneLine),
  ];
  const title = `${count(adapters.length)} ${plural(adapters.length, 'adapter')} of ${count(modules)} ${plural(modules, 'weight')}`;
  return [
    bold(title, colour),
    columns([head, ...listed], 'rllrrrr') + (rest > 0 ? `\nand ${count(rest)} more` : ''),
    ...(adapters.length <= MOST_SHOWN ? [table(cosine, labels)] : pairs(cosine, labels)),
    `${about.join('\n')}\n`,
  ].join('\n\n');
}

function table(cosine: AdapterMatrix['cosine'], labels: readonly string[]): string {
  const rows = labels.map((label, i) => [label, ...labels.map((_, j) => text(cosine[i][j]))]);
  return `cosines\n${columns([['', ...labels.map((_, j) => String(j))], ...rows], `l${'r'.repeat(labels.length)}`)}`;
}

interface Pair {
  readonly value: number;
  readonly i: number;
  readonly j: number;
}

/** The pairs with the largest cosines, and those with the smallest. */
function pairs(cosine: AdapterMatrix['cosine'], labels: readonly string[]): string[] {
  const [nearest, farthest]: [Pair[], Pair[]] = [[], []];
  for (const [i, row] of cosine.entries())
    for (let j = i + 1; j < row.length; j++) {
      if (Number.isNaN(row[j])) continue;
      keep(nearest, { value: row[j], i, j }, (one, other) => other.value - one.value);
      keep(farthest, { value: row[j], i, j }, (one, other) => one.value - other.value);
    }
  const told = (title: string, some: readonly Pair[]) =>
    `${title}\n${columns(
      some.map(({ value, i, j }) => [text(value), labels[i], labels[j]]),
      'rll',
    )}`;
  return nearest.length === 0 ? [] : [told('largest cosines', nearest), told('smallest cosines', farthest)];
}

function keep(best: Pair[], pair: Pair, order: (one: Pair, other: Pair) => number): void {
  if (best.length === MOST_PAIRS && order(pair, best[MOST_PAIRS - 1]) >= 0) return;
  best.push(pair);
  best.sort(order);
  best.length = Math.min(best.length, MOST_PAIRS);
}

const text = (value: number): string => (Number.isNaN(value) ? '–' : similarityText(value, 4));
