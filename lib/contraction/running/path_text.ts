import { largest } from '../../extremes.js';
import { bytesText } from '../../words/bytes.js';
import { oneLine } from '../../words/quoting.js';
import { timeText } from '../../words/times.js';
import type { PathInfo, PathStep } from './path_info.js';

/**
 * The table of a path:
 *
 *     hi,ki,hj,kj->hk   512x256 512x256 512x256 512x256   float64
 *
 *       naive      N^4   6.87e+10 flop
 *       chosen     N^3   2.69e+8 flop, 256 times fewer
 *       moves      14.0 MiB, 17.7 flop per byte
 *       memory     6.00 MiB at most, largest intermediate 262144 elements (2.00 MiB)
 *       slices     none
 *       predicted  58.3 ms
 *
 *       step       kernel    batch  m x n x k        times  flop      moved     predicted
 *       hi,ki->hk  gemm      1      512x512x256      1      1.34e+8   4.00 MiB  27.9 ms
 */
export function pathText(info: PathInfo): string {
  const item = info.dtype === 'float64' ? 8 : 4;
  const shapes = info.shapes.map((shape) => (shape.length === 0 ? 'scalar' : shape.join('x'))).join(' ');
  const fewer = info.flops > 0 ? info.naive.flops / info.flops : 1;
  const facts = [
    ['naive', `N^${info.naive.scaling}   ${count(info.naive.flops)} flop`],
    ['chosen', `N^${info.scaling}   ${count(info.flops)} flop${fewer > 1.05 ? `, ${factor(fewer)} times fewer` : ''}`],
    ['moves', `${bytesText(info.bytes)}${info.bytes > 0 ? `, ${factor(info.flops / info.bytes)} flop per byte` : ''}`],
    [
      'memory',
      `${bytesText(info.peakBytes)} at most, largest intermediate ${info.largestIntermediate} elements ` +
        `(${bytesText(info.largestIntermediate * item)})`,
    ],
    ['slices', slicesText(info)],
    ['predicted', timeText(info.seconds)],
  ];
  const lines = [
    `${oneLine(info.equation)}   ${shapes}   ${info.dtype}${info.tf32 ? ', products in TF32' : ''}`,
    '',
    ...columns(facts),
  ];
  if (info.steps.length === 0) return lines.join('\n');
  const head = ['step', 'kernel', 'batch', 'm x n x k', 'times', 'flop', 'moved', 'predicted'];
  return [...lines, '', ...columns([head, ...info.steps.map(row)])].join('\n');
}

function row(step: PathStep): string[] {
  const sizes = step.kernel === 'copy' || step.kernel === 'multiply' ? '-' : `${step.m}x${step.n}x${step.k}`;
  return [
    oneLine(step.text),
    step.kernel,
    String(step.batch),
    sizes,
    step.constant ? 'once' : String(step.times),
    count(step.flops),
    bytesText(step.bytes),
    timeText(step.seconds),
  ];
}

function slicesText({ slices }: PathInfo): string {
  if (slices.length === 0) return 'none';
  const passes = slices.reduce((product, slice) => product * slice.count, 1);
  const each = slices.map(
    ({ name, size, chunk, count: parts }) => `${oneLine(name)} (${size}) in ${parts} parts of ${chunk}`,
  );
  return `${each.join(', ')}: ${passes} passes`;
}

function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0].map((_, column) => largest(rows.map((cells) => [...cells[column]].length)));
  return rows.map((cells) =>
    `  ${cells.map((cell, column) => cell + ' '.repeat(widths[column] - [...cell].length)).join('  ')}`.trimEnd(),
  );
}

function count(value: number): string {
  return value < 1e6 ? String(value) : value.toExponential(2);
}

function factor(value: number): string {
  return value < 1000 ? value.toPrecision(3) : value < 1e6 ? value.toFixed(0) : value.toExponential(2);
}
