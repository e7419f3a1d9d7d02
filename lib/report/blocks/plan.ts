import type { BlocksPlan } from '../../blocks/plan.js';
import { bytesText } from '../../words/bytes.js';
import { count, plural } from '../../words/counts.js';
import { listed } from '../../words/names.js';
import { oneLine } from '../../words/quoting.js';
import { SCHEMAS } from '../schemas.js';
import { bold, columns, type TextOptions } from '../text.js';

const METHODS = { whole: 'exact', parts: 'exact, by parts of their units', sampled: 'sampled' } as const;

/** A plan as plain data, the contract `tensim.blocks-plan/1`. */
export function blocksPlanJson(plan: BlocksPlan): Record<string, unknown> {
  return { schema: SCHEMAS.blocksPlan, ...plan };
}

/** What `tensim blocks --plan` prints: how long it will take, and of what. */
export function blocksPlanText(plan: BlocksPlan, { colour = false }: TextOptions = {}): string {
  const { networks, mlps, flops, bytes, memory, seconds, threads } = plan;
  const how = Object.entries(mlps).map(
    ([method, layers]) => `${METHODS[method as keyof typeof METHODS]} in ${layers} ${plural(layers, 'layer')}`,
  );
  const rows = [
    ['', 'work', 'time'],
    ['MLPs', flopsText(flops.mlps), minutesText(seconds.mlps)],
    ['attention', flopsText(flops.attention), minutesText(seconds.attention)],
    ['weights', `${count(flops.weights)} numbers`, minutesText(seconds.weights)],
    ['reading', bytesText(bytes), minutesText(seconds.reading)],
  ];
  return [
    networks
      .map(({ path, layout, layers, parameters }) => {
        return `${oneLine(path)} (${layout}, ${layers} layers, ${(parameters / 1e9).toPrecision(3)} billion parameters)`;
      })
      .join('\n'),
    bold(`About ${minutesText(seconds.total)} on this machine.`, colour),
    columns(rows, 'lrr'),
    ...(how.length === 0 ? [] : [`MLPs ${listed(how, 'and')}`]),
    `memory up to ${bytesText(memory)} · ${threads} ${plural(threads, 'thread')} · nothing but headers was read; rates measured just now, of files that are as quick to read as to hash\n`,
  ].join('\n\n');
}

const PREFIXES = [
  [1e15, 'P'],
  [1e12, 'T'],
  [1e9, 'G'],
] as const;

function flopsText(flops: number): string {
  const [unit, name] = PREFIXES.find(([size]) => flops >= size) ?? [1e6, 'M'];
  return `${(flops / unit).toPrecision(3)} ${name}flop`;
}

/** `3.2 minutes`; below one in seconds. */
function minutesText(seconds: number): string {
  if (seconds < 60) return `${seconds.toPrecision(2)} s`;
  const minutes = seconds / 60;
  return `${minutes < 10 ? minutes.toFixed(1) : count(Math.round(minutes))} minutes`;
}
