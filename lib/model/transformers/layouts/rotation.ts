import { TensimError } from '../../../errors.js';
import { checkScaling, type RopeScaling, scaledFrequencies } from '../../../layers/rope_scaling.js';
import type { Rotation } from '../network.js';
import type { BlockSettings } from '../settings.js';
import type { Layout, Positional } from './layout.js';
import type { View } from './view.js';

/** Of Gemma 3, one layer in so many sees all positions; the others turn with a base of their own. */
const GEMMA_PATTERN = 6;

/** What the angles of a rotary embedding are made of. */
export interface Turning {
  readonly base: number;
  /** Rows of a head that turn. */
  readonly turning: number;
  readonly scaling: RopeScaling;
}

/** What scores of a layout's networks know of positions. */
export function positionalOf({ positional }: Layout, settings: BlockSettings, outside?: View): Positional {
  return typeof positional === 'function' ? positional(settings, outside) : positional;
}

/**
 * What turns queries and keys of a layer; null for a network without a rotary embedding.
 * @param width of a head
 * @throws TensimError `INVALID_FILE` for a scaling that is not known, for it changes which angles there are
 */
export function turningOf(
  layout: Layout,
  settings: BlockSettings,
  width: number,
  layer: number,
  outside?: View,
): Turning | null {
  const positional = positionalOf(layout, settings, outside);
  if (typeof positional === 'string' || !isTurned(settings, layer)) return null;
  const local = isLocalLayer(settings, layer) ? settings.number('localRotaryBase') : undefined;
  const base = local ?? settings.number('rotaryBase') ?? positional.base;
  const share = settings.number('rotaryShare') ?? positional.share ?? 1;
  const turned = settings.count('rotaryWidth') ?? Math.floor(share * width);
  const turning = 2 * Math.floor(Math.min(turned, width) / 2);
  return { base, turning, scaling: local === undefined ? scalingOf(settings) : {} };
}

/** How queries and keys of a layer are turned; as `turningOf`. */
export function rotationOf(
  layout: Layout,
  settings: BlockSettings,
  width: number,
  layer: number,
  outside: View,
): Rotation | null {
  const turning = turningOf(layout, settings, width, layer, outside);
  const positional = positionalOf(layout, settings, outside);
  if (turning === null || typeof positional === 'string') return null;
  // How many positions there are matters to one kind of scaling, beyond those that it was trained on: not compared.
  const { frequencies } = scaledFrequencies(turning.scaling, { ...turning, positions: 1 });
  const angles = positional.reversed ? frequencies.map((angle) => -angle) : frequencies;
  return { angles, interleaved: positional.interleaved };
}

/** Of Command R7B and later, layers that see all positions are not turned; one in so many is such a one. */
const COHERE_PATTERN = 4;

/** Whether positions turn queries and keys of a layer, of a network in which they do. */
function isTurned(settings: BlockSettings, layer: number): boolean {
  // In spite of its name: zero where they do not.
  const turned = settings.object('turnedLayers');
  if (Array.isArray(turned)) return turned[layer] !== 0;
  if (!/^cohere2/i.test(settings.text('architecture') ?? '')) return true;
  const kinds = settings.object('layerKinds');
  if (Array.isArray(kinds)) return kinds[layer] === 'sliding_attention';
  return (layer + 1) % (settings.count('localPattern') ?? COHERE_PATTERN) !== 0;
}

/** Whether a layer is one of those that see the nearest positions only, where some are. */
export function isLocalLayer(settings: BlockSettings, layer: number): boolean {
  const kinds = settings.object('layerKinds');
  if (Array.isArray(kinds)) return kinds[layer] === 'sliding_attention';
  if (settings.number('localRotaryBase') === undefined) return false;
  return (layer + 1) % (settings.count('localPattern') ?? GEMMA_PATTERN) !== 0;
}

/** What stretches the embedding to more positions, as config.json has it, or GGUF. */
function scalingOf(settings: BlockSettings): RopeScaling {
  const found = settings.object('scaling');
  if (found === undefined || Array.isArray(found)) return checked(scalingOfGguf(settings), settings);
  // Of newer files it holds the base and the share as well.
  const { rope_theta: _, partial_rotary_factor: __, ...scaling } = found as Record<string, unknown>;
  return checked(scaling, settings);
}

function scalingOfGguf(settings: BlockSettings): RopeScaling {
  const factor = settings.number('scalingFactor');
  const kind = settings.text('scalingKind') ?? (factor === undefined ? 'none' : 'linear');
  if (kind === 'none') return {};
  const original = settings.count('scalingFrom');
  return {
    rope_type: kind,
    ...(factor !== undefined && { factor }),
    ...(kind !== 'linear' && original !== undefined && { original_max_position_embeddings: original }),
  };
}

function checked(scaling: object, settings: BlockSettings): RopeScaling {
  checkScaling(scaling as RopeScaling, {
    fail: (problem: string): never => {
      throw new TensimError('INVALID_FILE', `its ${problem}`, {
        file: settings.file,
        hint: 'Scores cannot be compared where it is not known how positions turn them',
      });
    },
  });
  return scaling as RopeScaling;
}
