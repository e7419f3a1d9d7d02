import { valueText } from '../words/quoting.js';
import { type Activated, activationOf } from './activations.js';
import type { LayerReader } from './reader.js';
import { parseResidual, RESIDUAL_DESCRIPTION } from './residual.js';
import { checkBias, matrixShape, type NamedShape, type ShapeOnly, type ShapeReport, shown } from './shapes.js';

/* What hidden layers, gated blocks and bare activations share. */

/** The fields that say which activation a layer has. */
export const UNIT_FIELDS = ['activation', 'slope'] as const;
export const NO_SLOPE = { slope: null } as const;

/** A layer of units while it is checked. */
interface UnitsChecked extends Activated {
  readonly slopes?: NamedShape;
}

/** @param report where the name is none, or the slope no number. */
export function checkActivation(layer: Activated, report: ShapeReport): void {
  const { slope } = layer;
  if (slope !== null && !Number.isFinite(slope)) report.fail(`slope is ${valueText(slope)}, not a finite number`);
  try {
    activationOf(layer);
  } catch (error) {
    report.fail((error as Error).message);
  }
}

/** `prelu` has a slope for each of `count` units, and nothing else has. */
export function checkSlopes(layer: UnitsChecked, count: number, report: ShapeReport): void {
  const { name } = activationOf(layer);
  const { slopes } = layer;
  if (slopes === undefined) {
    if (name === 'prelu') report.fail('the activation "prelu" needs "slopes", one for each unit');
    return;
  }
  if (name !== 'prelu') report.refuse(slopes, `are slopes, which the activation "${name}" does not have`);
  if (slopes.shape.length !== 1 || slopes.shape[0] !== count)
    report.refuse(slopes, `has shape ${shown(slopes)}, but the slopes of ${count} units must be [${count}]`);
}

/** What follows the units of a block: D, c, S. */
interface Behind {
  readonly down?: NamedShape;
  readonly downBias?: NamedShape;
  readonly skip?: NamedShape;
}

/** Checks D, c and S around `hidden` units. @returns the part that gives the outputs. */
export function checkBehind(
  { down, downBias, skip }: Behind,
  weight: NamedShape,
  hidden: number,
  takes: number,
  report: ShapeReport,
): { readonly last: NamedShape; readonly gives: number } {
  const [gives, downTakes] = down === undefined ? [hidden, hidden] : matrixShape(down, report);
  if (down !== undefined && downTakes !== hidden)
    report.refuse(
      down,
      `has shape ${shown(down)} and takes ${downTakes} hidden units, but "${weight.name}" gives ${hidden}`,
    );
  const last = down ?? weight;
  checkBias(downBias, gives, last, report);
  if (skip !== undefined) {
    const [skipGives, skipTakes] = matrixShape(skip, report);
    if (skipGives !== gives || skipTakes !== takes)
      report.refuse(skip, `has shape ${shown(skip)}, but the block beside it maps ${takes} features to ${gives}`);
  }
  return { last, gives };
}

/** `GELU`-like words of an activation: its own name, with the slope where it is not the usual one. */
export function activationInWords(layer: Activated): string {
  const { name } = activationOf(layer);
  return layer.slope === null ? name : `${name}(${layer.slope})`;
}

/** `hidden 64 → 128 gelu → 10`. */
export function unitsInWords(
  layer: Activated & { readonly type: string; readonly down?: ShapeOnly },
  weight: ShapeOnly,
) {
  const [units, takes] = weight.shape;
  const block = `${layer.type} ${takes} → ${units} ${activationInWords(layer)}`;
  return layer.down === undefined ? block : `${block} → ${layer.down.shape[0]}`;
}

/** The parts and fields that `parseAround` reads. */
export const AROUND_DESCRIPTION = ['slopes', 'down', 'downBias', 'skip', ...UNIT_FIELDS, ...RESIDUAL_DESCRIPTION];

/** What hidden layers and gated blocks have beside their weights: `slopes`, D, c, S, the activation, the residual. */
export function parseAround(reader: LayerReader) {
  return {
    ...reader.optional('slopes'),
    ...reader.optional('down'),
    ...reader.optional('downBias'),
    ...reader.optional('skip'),
    ...parseActivation(reader),
    ...parseResidual(reader),
  };
}

/** `activation`, and `slope` of those that have one. */
export function parseActivation(reader: LayerReader): Activated {
  const { activation, slope } = reader.fields;
  const { title, fail } = reader;
  if (typeof activation !== 'string') return fail(`${title} has no "activation"`);
  const layer = { activation, slope: slope === undefined || slope === null ? null : reader.number('slope') };
  try {
    activationOf(layer);
  } catch (error) {
    const { message, hint } = error as Error & { hint?: string };
    return fail(`${title}: ${message}`, hint);
  }
  return layer;
}
