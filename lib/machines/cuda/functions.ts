import type { Precision, TensorData } from '../../tensor/tensor.js';
import type { CudaModel, NativeControl } from '../addon.js';

/** A forward pass on a device, as the addon holds it. */
export interface CudaPass {
  readonly pass: object;
  readonly bytes: number;
}

/** The functions of the addon for forward passes, outputs that stay on a device, and random numbers. */
export interface CudaForwardFunctions {
  cudaPrepareForward(
    library: string,
    device: number,
    source: object,
    elements: Precision,
    threads: number,
    control: NativeControl,
  ): Promise<CudaPass>;
  cudaDisposeForward(pass: object): void;
  cudaEvaluate(
    pass: object,
    inputs: TensorData | Int32Array,
    threads: number,
    control: NativeControl,
  ): Promise<TensorData>;
  cudaKeep(
    pass: object,
    inputs: TensorData | Int32Array,
    roots: Float64Array | null,
    perOutput: boolean,
    threads: number,
    control: NativeControl,
  ): Promise<CudaModel>;
  cudaCombine(
    library: string,
    outputs: readonly object[],
    x: number,
    y: number,
    threads: number,
    control: NativeControl,
  ): Promise<CudaModel>;
  cudaSampleProducts(
    library: string,
    outputs: readonly object[],
    pairs: Uint32Array,
    size: { readonly count: number; readonly positions: number; readonly outputs: number },
    perOutput: boolean,
    threads: number,
    control: NativeControl,
  ): Promise<Float64Array>;
  cudaNormals(
    library: string,
    device: number,
    key0: number,
    key1: number,
    dimension: number,
    first: number,
    count: number,
    threads: number,
    control: NativeControl,
  ): Promise<Float64Array>;
}
