import type { Tensor } from '../tensor/tensor.js';
import type { BilinearOf } from './bilinear.js';
import type { GatedOf } from './gated.js';
import type { HiddenOf } from './hidden.js';
import type { LinearOf } from './linear.js';
import type { LayerReader } from './reader.js';
import type { NamedShape, ShapeReport } from './shapes.js';

/** What every layer has: the name of its kind. */
export interface Typed {
  readonly type: string;
}

/** What functions are compared by (MATH.md section 2). */
export type FunctionMeasure = 'gaussian' | 'tensor';

/**
 * How the inner products of chains are computed (sections of MATH.md; "block" means a layer that is not affine). Which
 * kinds of layers a method takes, and down to what depth it is exact, the kinds say themselves: `LayerKind.methods`.
 *
 * | method | chains | result |
 * |---|---|---|
 * | `one-block` | at most one quadratic block | exact, section 3; both measures |
 * | `hidden` | at most one block of units: hidden, gated, activation, bilinear | exact, sections 10 and 11; `gaussian` |
 * | `two-block` | at most two quadratic blocks | exact, section 5; `gaussian` |
 * | `closure` | any depth | section 6, exact for at most one block of any kind; `gaussian` |
 * | `tensor` | affine layers and quadratic blocks, any number | exact, section 7; `tensor` |
 */
export type ChainMethod = 'one-block' | 'hidden' | 'two-block' | 'closure' | 'tensor';

/** How a function behaves under x ↦ −x: `odd` changes its sign, `even` stays as it is; null: neither. */
export type Parity = 'even' | 'odd' | null;

/** The kinds of blocks of units. */
export type UnitsType = 'hidden' | 'gated';

/** How a kind is called in messages. */
export interface LayerWords {
  /** Before "layers" or alone: `bilinear`, `quadratic attention`. */
  readonly adjective: string;
  /** Many of them: `bilinear blocks`. */
  readonly plural: string;
  /** One of them: `a bilinear block`. */
  readonly noun: string;
}

/**
 * All that is known of a kind of layer without computing with it: its room. The rooms that compute keep tables of the
 * same form beside their own code: lib/fallback/layers how it runs, lib/similarity/scale/layers how its numbers are
 * kept in range, lib/similarity/difference/layers how two of them are subtracted.
 *
 * Methods that take a layer are given one of this kind only, and may say so in the types of their arguments.
 */
export interface LayerKind extends Typed {
  readonly words: LayerWords;
  /**
   * Its parts, in the order in which they are listed everywhere, `required` ones never absent; `fields` are no parts.
   */
  readonly parts: {
    readonly required: readonly string[];
    readonly optional: readonly string[];
    readonly fields: readonly string[];
    /** Whether it holds chains of layers, its `branches`, whose parts are its own too. */
    readonly branches?: true;
  };
  /** What fields are where a definition leaves them out. All others must be given. */
  readonly defaults: Readonly<Record<string, unknown>>;
  /** What it multiplies the degree of a chain by (MATH.md section 1); null: it is no polynomial. */
  readonly degree: number | null;
  /** Without a degree, the power of the size of its input by which it grows at most. Default 1. */
  readonly growth?: number;
  /** Both of a layer by itself, for kinds in which they depend on it. Default: the two above. */
  sizes?(layer: Typed): { readonly degree: number | null; readonly growth: number };
  /** Whether an output depends on other positions than its own, or on which position it is at. */
  readonly mixesPositions: boolean;
  /** The same of a layer by itself, for kinds in which it depends on it. */
  mixes?(layer: Typed): boolean;
  /** Whether it can be the embedding of token ids, which stand for one-hot vectors. */
  readonly takesTokens: boolean;
  /**
   * The methods that take it, each with the number of blocks of a chain up to which its result is exact. None, for a
   * kind of which outputs can only be sampled. Affine kinds are no blocks, and every method takes them.
   */
  readonly methods: Readonly<Partial<Record<ChainMethod, number>>>;
  /** What else can be done with networks that have such layers, where no method takes them: ends a hint. */
  readonly instead?: string;
  /** Of a layer by itself, for inputs without a mean. */
  parity(layer: Typed): Parity;
  /**
   * Features of a position, before and behind it; of a layer of shapes whose parts fit each other. A kind without parts
   * has a field that says how many.
   */
  widths(layer: Typed): { readonly takes: number; readonly gives: number };
  /**
   * Checks that its parts fit each other. It needs shapes only, so that a checkpoint is judged by its header before any
   * weight is read.
   * @returns the parts that show how many features it takes and gives, for messages; null for a kind without parts.
   */
  check(layer: Typed, report: ShapeReport): { readonly takes: NamedShape; readonly gives: NamedShape } | null;
  /**
   * Its widths and fields, for `inspect`, from shapes: `bilinear 4 → 6 hidden → 4`. Residuals and biases are told
   * beside.
   */
  inWords(layer: Typed): string;
  /** Reads it from a model.json. */
  parse(reader: LayerReader): Typed;
  /** For a norm over the features of a position, of shapes or whatever its parts are: the same without gain and bias. */
  bare?(layer: Typed): Typed;
  /** For a kind that knows so many positions: how many; models may have fewer. */
  mostPositions?(layer: Typed): number;
  /**
   * For an affine kind of which not every layer is: whether a layer, of shapes, is affine, and its matrix no larger than
   * what is multiplied into its neighbours.
   */
  isAffine?(layer: Typed): boolean;
  /** How a layer of an affine kind is called that is none. */
  readonly asBlock?: string;
  /**
   * For an affine kind, which maps every position by itself as x ↦ W x + b: the linear layer that does the same. Exact
   * methods multiply it into its neighbours. All other kinds are blocks.
   */
  asLinear?(layer: Typed): LinearOf<Tensor>;
  /**
   * For a quadratic kind: the bilinear block that does the same, which all methods but the forward pass take in its
   * place.
   */
  asBilinear?(layer: Typed): BilinearOf<Tensor>;
  /**
   * For a kind whose units are functions of one or two linear functions of the input: the hidden layer or the gated
   * block that does the same.
   */
  asUnits?(layer: Typed): HiddenOf<Tensor> | GatedOf<Tensor>;
  /** Which of the two `asUnits` gives. */
  readonly units?: UnitsType;
  /**
   * For a kind whose layers can be written as one of another: which kind, from shapes; null for a layer that cannot. Exact
   * methods take what `asSimpler` gives for it.
   */
  simplerType?(layer: Typed): UnitsType | null;
  /** The layer of that kind that does the same. */
  asSimpler?(layer: Typed): HiddenOf<Tensor> | GatedOf<Tensor>;
  /** The hidden units of the block that `asBilinear` or `asUnits` gives, from shapes. */
  hidden?(layer: Typed): number;
}
