import type { ActivationName } from '../../../layers/activations.js';
import type { BlockSettings } from '../settings.js';
import type { Geometry, Packing } from './packing.js';
import type { Names, View } from './view.js';

/** Modules of an attention layer, by their names within the layer, without `.weight` and `.bias`. */
export interface AttentionNames {
  /** One matrix each, or all in one. */
  readonly query?: Names;
  readonly key?: Names;
  readonly value?: Names;
  readonly packed?: Names;
  readonly output: Names;
  readonly queryNorm?: Names;
  readonly keyNorm?: Names;
}

/** Modules of an MLP. */
export interface MlpNames {
  readonly gate?: Names;
  readonly up: Names;
  readonly down: Names;
  /** Gate and up in one, the gate's rows first. */
  readonly packed?: Names;
}

/** From the name of a module to those of its tensors. */
export interface Naming {
  readonly weight: (module: string) => string;
  readonly bias: (module: string) => string;
  /** Of norms. */
  readonly gain: (module: string) => string;
  readonly shift: (module: string) => string;
}

/** As torch has it. */
export const PLAIN: Naming = {
  weight: (module) => `${module}.weight`,
  bias: (module) => `${module}.bias`,
  gain: (module) => `${module}.weight`,
  shift: (module) => `${module}.bias`,
};

/** How the tensors of a family of transformers are called, and what its programs take for granted. */
export interface Layout {
  readonly name: string;
  /** Names in a layer: groups for its number and for the name within. */
  readonly layer: RegExp;
  /** Names within a layer that only this layout has, one of which a layer must have. */
  readonly signs: Names;
  /** What a module's tensors are called; absent: its name with `.weight` and `.bias`. */
  readonly naming?: Naming;
  readonly attention: AttentionNames;
  readonly mlp: MlpNames;
  readonly attentionNorm: Names;
  readonly mlpNorm: Names;
  readonly embedding: Names;
  readonly finalNorm: Names;
  readonly unembedding: Names;
  readonly norm: 'rms' | 'layer';
  /** How queries, keys and values lie in one matrix. */
  readonly packing?: (geometry: Geometry, settings: BlockSettings) => Packing;
  /** Whether matrices are stored as inputs by outputs. */
  readonly transposed?: (layer: View) => boolean;
  /** Queries, keys and values are (heads, in, width) and the output is (heads, width, out), so that shapes tell the heads. */
  readonly headsApart?: true;
  /** Of the rotary embedding, where there is one. */
  readonly rotary: {
    readonly interleaved: boolean | ((settings: BlockSettings) => boolean);
    readonly base: number;
  } | null;
  /** The share of a head's rows that turn, where nobody says it. */
  readonly rotaryShare?: number;
  /** What the programs of the family have built in, where they do. */
  readonly activation?: ActivationName | ((settings: BlockSettings) => ActivationName | undefined);
  /** Whether blocks are normalised behind and not before, so that they take the stream as it is. */
  readonly normsBehind?: (layer: View) => boolean;
  /** Whether gains are stored as what is added to 1. */
  readonly fromOne?: (settings: BlockSettings) => boolean;
}
