/* What an ONNX file says of its network, beside the tensors. */

/** A value that is known when the graph is: a number, a text, or whole numbers. */
export type Attribute = number | string | readonly number[];

/** One operation of a graph. */
export interface GraphNode {
  /** `Gemm`, `Relu`, … */
  readonly op: string;
  /** Who defines the operation; empty for ONNX itself. */
  readonly domain: string;
  readonly name: string;
  /** Names of values; empty for those that are left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, Attribute>;
}

/** A value that is given to the graph. */
export interface GraphInput {
  readonly name: string;
  /** Extents of its axes, null where any will do; undefined where the file does not say them. */
  readonly shape: readonly (number | null)[] | undefined;
}

/** The network of an ONNX file, in the order in which its nodes are run. */
export interface Graph {
  /** Without those that are tensors of the file. */
  readonly inputs: readonly GraphInput[];
  readonly outputs: readonly string[];
  readonly nodes: readonly GraphNode[];
  /** The numbers in short tensors, by name: shapes, axes and bounds that nodes are given. */
  readonly values: ReadonlyMap<string, readonly number[]>;
  /** Tensors whose elements are not read, by name, with the reason. */
  readonly unread: ReadonlyMap<string, string>;
}
