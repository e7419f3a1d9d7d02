import type { ActivationName } from '../../../layers/activations.js';
import type { BlockSettings, NormKind } from '../settings.js';
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

/** Modules of a mixture of MLPs; names of one expert's have `{E}` for its number. */
export interface ExpertNames {
  readonly router: Names;
  readonly each?: MlpNames;
  /** Of tensors that hold all experts, (experts, out, in) or (experts, in, out). */
  readonly stacked?: MlpNames;
  readonly shared?: MlpNames;
  readonly sharedGate?: Names;
  /** Whether rows of gate and up alternate, and both are clamped: gpt-oss. */
  readonly clamped?: (layer: View, settings: BlockSettings) => boolean;
}

/** From the name of a module to those that its tensors may have. */
export interface Naming {
  readonly weight: (module: string) => Names;
  readonly bias: (module: string) => Names;
  /** Of norms. */
  readonly gain: (module: string) => Names;
  readonly shift: (module: string) => Names;
}

/** As torch has it. */
export const PLAIN: Naming = {
  weight: (module) => [`${module}.weight`],
  bias: (module) => [`${module}.bias`],
  gain: (module) => [`${module}.weight`],
  shift: (module) => [`${module}.bias`],
};

/** Of a rotary embedding. */
export interface Rotary {
  readonly interleaved: boolean;
  readonly base: number;
  /** The share of a head's rows that turn, where nobody says it. */
  readonly share?: number;
  /** Turns the other way. */
  readonly reversed?: true;
}

/** What scores know of positions beside what learned ones add to the stream. */
export type Positional = Rotary | 'alibi' | 'none';

/** How the tensors of a family of transformers are called, and what its programs take for granted. */
export interface Layout {
  readonly name: string;
  /** Names in a layer: groups for its number and for the name within. */
  readonly layer: RegExp;
  /** Names within a layer that only this layout has, one of which a layer must have. */
  readonly signs: Names;
  /** Modules outside of layers of which one must be there as well. */
  readonly signsOutside?: Names;
  /** What a module's tensors are called; absent: its name with `.weight` and `.bias`. */
  readonly naming?: Naming;
  readonly attention: AttentionNames;
  readonly mlp: MlpNames;
  readonly experts?: ExpertNames;
  /** Before the blocks. */
  readonly attentionNorm: Names;
  readonly mlpNorm: Names;
  /** Of what blocks give or, with `sums`, of their sum with the stream. */
  readonly behindAttention?: Names;
  readonly behindMlp?: Names;
  readonly embedding: Names;
  readonly embeddingNorm?: Names;
  /** Learned ones. */
  readonly positions?: Names;
  readonly finalNorm: Names;
  readonly unembedding: Names;
  /** Of norms without a bias; those with one are layer norms. */
  readonly norm: 'rms' | 'layer' | ((settings: BlockSettings) => 'rms' | 'layer');
  /** Which norms stand before blocks where there is no tensor of any; undefined: somebody must say it. */
  readonly bareNorm?: (settings: BlockSettings) => NormKind | undefined;
  /** Whether a norm is taken of the sum of a block and the stream, and none before a block. */
  readonly sums?: (settings: BlockSettings) => boolean;
  /** Whether blocks are normalised behind and not before, so that they take the stream as it is. */
  readonly normsBehind?: (layer: View) => boolean;
  /** Whether gains are stored as what is added to 1. */
  readonly fromOne?: (settings: BlockSettings, layer: View) => boolean;
  /** How queries, keys and values lie in one matrix. */
  readonly packing?: (geometry: Geometry, settings: BlockSettings) => Packing;
  /** Shapes tell how many heads of keys there are, whatever settings say. */
  readonly groupsByShape?: true;
  /** Whether matrices are stored as inputs by outputs. */
  readonly transposed?: (layer: View) => boolean;
  /** Queries, keys and values are (heads, in, width) and the output is (heads, width, out), so that shapes tell the heads. */
  readonly headsApart?: true;
  readonly positional: Positional | ((settings: BlockSettings, outside?: View) => Positional);
  /** Angles of the rotary embedding are divided by these, plane by plane. */
  readonly divisors?: Names;
  /** Queries and keys are normalised, by norms without weights. */
  readonly normalisesHeads?: true;
  /** Why a layer's attention is not compared, where it is none of queries, keys and values. */
  readonly otherAttention?: (layer: View, settings: BlockSettings) => string | undefined;
  /** What of a layer's attention is not compared. */
  readonly partOfAttention?: (layer: View) => string | undefined;
  /** Why a layer's MLP is not compared. */
  readonly otherMlp?: (layer: View, settings: BlockSettings) => string | undefined;
  /** What the programs of the family have built in, where they do. */
  readonly activation?: ActivationName | ((settings: BlockSettings, layer: View) => ActivationName | undefined);
}
