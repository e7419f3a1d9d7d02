import type { BackendName } from '../backend/backend.js';
import type { LayerBlocks } from '../model/transformers/network.js';
import type { MlpBackend } from './backends.js';
import type { BlockLaws } from './law/laws.js';
import type { MlpMethod } from './mlps/choose.js';
import type { BlockFile } from './open.js';
import type { GivenSettings } from './settings.js';
import type { BasisAlignment, BlockSubject, NormComparison, WeightComparison } from './terms.js';

/** What stands at the ends of a network. */
export const ENDS = ['embedding', 'positions', 'unembedding', 'unembeddingBias'] as const;
export type End = (typeof ENDS)[number];

/** A layer by its place in the network, or what stands at an end of it. */
export type Step = number | End;

/** What was found of a layer, and its number. */
export interface OfLayer {
  readonly layer: number;
}

/** Open networks, and how each of their layers is compared: the same for one run and for a part of it. */
export interface BlockComparison<Found extends OfLayer = OfLayer> {
  /** Names the kind of comparison, for the state file. */
  readonly what: 'pair' | 'matrix';
  readonly files: readonly BlockFile[];
  readonly given: GivenSettings;
  readonly laws: BlockLaws;
  /** How the MLPs of a layer are compared. */
  readonly methodOf: (layer: LayerBlocks) => MlpMethod;
  /** What else the numbers of a layer depend on, by its place. */
  readonly about: (place: number) => Promise<unknown>;
  /** Compares the layers of a place. */
  readonly layerOf: (place: number) => Promise<Found>;
  /** What stands at the ends, and norms that belong to no layer: of two networks. */
  readonly ends?: {
    readonly of: (end: End) => Promise<WeightComparison | undefined>;
    readonly norms: () => Promise<readonly NormComparison[]>;
  };
  /** The basis of the stream that layers are compared in, where it was turned, and a digest of it. */
  readonly rotation?: { readonly about: BasisAlignment; readonly digest: unknown };
  readonly backend: BackendName;
  /** Who compares MLPs, where there was a choice. */
  readonly chosen: readonly MlpBackend[];
}

/** All that was found of networks: what a result is made of. */
export interface FoundBlocks<Found extends OfLayer> {
  readonly networks: readonly BlockSubject[];
  readonly width: number;
  readonly input: string;
  readonly window: number;
  readonly alignment: GivenSettings['align'];
  readonly rotation?: BasisAlignment | undefined;
  readonly layers: readonly Found[];
  /** In the order of the first file. */
  readonly ends: Readonly<Partial<Record<End, WeightComparison>>>;
  readonly norms: readonly NormComparison[];
  readonly backend: BackendName;
  readonly chosen?: readonly MlpBackend[];
}

/** What is the same for all of a comparison. */
export function commonOf({ files, given, laws, rotation, backend, chosen }: BlockComparison) {
  const { width } = files[0].network;
  return {
    width,
    input: laws.name,
    window: given.window,
    alignment: given.align,
    rotation: rotation?.about,
    backend,
    chosen,
  };
}
