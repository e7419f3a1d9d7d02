import type { BlockFile } from '../blocks/open.js';
import { type RowOrder, rowsInPairs } from '../blocks/weights.js';
import {
  type Attention,
  type BlockNetwork,
  type LayerBlocks,
  type Norm,
  type Piece,
  piecesIn,
} from '../model/transformers/network.js';
import { isFloatFormat } from '../tensor/convert.js';
import { UNIT_ROUNDOFF } from './rounding.js';

/** A file that weights are read of. */
export interface WeightFile extends Pick<BlockFile, 'read' | 'done' | 'extent' | 'entryOf'> {
  /** Of a transformer of a known layout. */
  readonly network?: BlockNetwork;
}

/** A matrix or vector of a network as one file has it. */
export interface Source {
  readonly file: WeightFile;
  readonly piece: Piece;
  readonly rows: number;
  readonly columns: number;
  /** What is added to every element: 1 where gains are stored from 1. */
  readonly offset: 0 | 1;
  /** Rows of queries and keys: the heads that they are of. */
  readonly heads?: Attention;
}

/** A place of a network, with what stands there in the one file and in the other. */
export interface Slot {
  /** The number of its layer in the reference; null outside of layers. */
  readonly layer: number | null;
  /** What it is there: `attention.query`, `mlp.down`, `attentionNorm.gain`, `embedding`, … */
  readonly role: string;
  readonly reference?: Source;
  readonly candidate?: Source;
  /** What is meant where there is none: 0 of biases, 1 of gains. */
  readonly missing?: 0 | 1;
  /** Heads of both have the same width, so that rows of queries and keys are compared pair by pair. */
  readonly inPairs?: true;
}

/** All slots of two layers at one place. */
export function slotsOfLayer(f: BlockFile, one: LayerBlocks, g: BlockFile, other: LayerBlocks): readonly Slot[] {
  const inPairs = one.attention !== undefined && one.attention.width === other.attention?.width;
  const slots = pair(sourcesOf(f, one), sourcesOf(g, other), one.number);
  return slots.map((slot) => ({ ...slot, ...(inPairs && isTurned(slot.role) && { inPairs }) }));
}

/** Those that stand before the layers and behind them. */
export function slotsOfEnds(f: BlockFile, g: BlockFile): readonly Slot[] {
  return pair(endsOf(f), endsOf(g), null);
}

const isTurned = (role: string): boolean => /^attention\.(?:query|key)(?:Bias)?$/.test(role);

export type Sources = ReadonlyMap<string, Source>;

/** Slots of what two networks have, by what it is in them. */
export function pair(one: Sources, other: Sources, layer: number | null): Slot[] {
  const roles = new Set([...one.keys(), ...other.keys()]);
  return [...roles].map((role) => {
    const [reference, candidate] = [one.get(role), other.get(role)];
    const missing = /bias$/i.test(role) ? 0 : /\.gain$/.test(role) ? 1 : undefined;
    return {
      ...{ layer, role },
      ...(reference && { reference }),
      ...(candidate && { candidate }),
      ...(missing !== undefined && { missing }),
    };
  });
}

function sourcesOf(file: BlockFile, layer: LayerBlocks): Sources {
  const { attention, attentionNorm, mlp, mlpNorm, experts, norms } = layer;
  // One norm may serve both blocks.
  const isShared = mlpNorm?.gain !== undefined && mlpNorm.gain.tensor === attentionNorm?.gain?.tensor;
  const parts = { attentionNorm, attention, ...(!isShared && { mlpNorm }), mlp, experts, norms };
  const found = new Map<string, Source>();
  for (const [role, piece] of piecesIn(parts)) {
    if (role.includes('rotation.')) continue;
    found.set(role, sourceOf(file, piece, offsetOf(role, layer), isTurned(role) ? attention : undefined));
  }
  return found;
}

function offsetOf(role: string, { attentionNorm, mlpNorm, norms }: LayerBlocks): 0 | 1 {
  if (!role.endsWith('.gain')) return 0;
  const all: Readonly<Record<string, Norm | undefined>> = { attentionNorm, mlpNorm, ...norms };
  return all[role.replace(/^norms\./, '').replace(/\.gain$/, '')]?.fromOne ? 1 : 0;
}

function endsOf(file: BlockFile): Sources {
  const { embedding, positions, embeddingNorm, finalNorm, unembedding, unembeddingBias } = file.network;
  const found = new Map<string, Source>();
  for (const [role, piece] of piecesIn({
    embedding,
    positions,
    embeddingNorm,
    finalNorm,
    unembedding,
    unembeddingBias,
  }))
    found.set(role, sourceOf(file, piece, role.endsWith('.gain') && normAt(role, file.network)?.fromOne ? 1 : 0));
  return found;
}

const normAt = (role: string, { embeddingNorm, finalNorm }: BlockNetwork): Norm | undefined =>
  role.startsWith('finalNorm') ? finalNorm : embeddingNorm;

export function sourceOf(file: WeightFile, piece: Piece, offset: 0 | 1 = 0, heads?: Attention): Source {
  const [rows, columns] = file.extent(piece);
  return { file, piece, rows, columns, offset, ...(heads && { heads }) };
}

/** Errors of quantised tensors are up to so many times the share of their range that a level takes. */
const FEW = 4;

/** The largest relative error of a number for how it is stored; of quantised ones about that of a block. */
export function precisionOf({ file, piece }: Source): number {
  const { dtype, quantised } = file.entryOf(piece);
  if (quantised === undefined) return UNIT_ROUNDOFF[isFloatFormat(dtype) ? dtype : 'F32'];
  // Levels of small floats lie as far apart as their few digits say, however many there are.
  return FEW / Math.min(quantised.levels.length, /fp|f8|e4m3|e5m2/i.test(quantised.format) ? 16 : 256);
}

/** The name of the tensor in its file. */
export const nameOf = ({ file, piece }: Source): string => file.entryOf(piece).name;

/** Numbers that are in memory at a time, at most but for the rows of a head. */
const AT_ONCE = 1 << 19;

/** How many rows of a slot's sources are read at a time. */
export function stepOf({ rows, columns, heads }: Source): number {
  const unit = heads?.width ?? 1;
  return Math.min(rows, unit * Math.max(1, Math.floor(AT_ONCE / (columns * unit))));
}

const orders = new WeakMap<Attention, RowOrder>();

/**
 * Rows of a source in double precision, with what is to be added to them.
 * @param inPairs rows of queries and keys with the two of a pair beside each other, whatever the layout
 */
export async function readSource(
  { file, piece, offset, heads, rows }: Source,
  inPairs: boolean,
  from = 0,
  to = rows,
): Promise<Float64Array> {
  const own = await file.read(piece, from === 0 && to === rows ? {} : { rows: { from, to } });
  if (offset !== 0) for (let i = 0; i < own.length; i++) own[i] += offset;
  if (!inPairs || heads === undefined) return own;
  let order = orders.get(heads);
  if (order === undefined) {
    order = rowsInPairs(heads);
    orders.set(heads, order);
  }
  return order(own, own.length / (to - from));
}
