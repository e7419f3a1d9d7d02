import { join } from 'node:path';

import { packageRoot } from '../../lib/machines/locate.js';
import type { DType, TensorData } from '../../lib/tensor/tensor.js';
import { PythonPeer } from '../python.js';
import type { Shape } from './grid.js';

export interface PeerInfo {
  readonly numpy: string;
  readonly torch: string | null;
  readonly python: string;
}

/** How many pairs a method did in some time. */
export interface PeerTime {
  readonly seconds: number;
  readonly pairs: number;
}

/** The matrix as it is computed with numpy and torch (peer.py). */
export class MatrixPeer {
  readonly info: PeerInfo;
  readonly #peer: PythonPeer;

  private constructor(peer: PythonPeer) {
    this.info = peer.greeting as PeerInfo;
    this.#peer = peer;
  }

  /** Starts the first interpreter that has numpy, with `threads` threads; undefined if none has. */
  static async start(threads: number, interpreters?: readonly string[]): Promise<MatrixPeer | undefined> {
    const script = join(packageRoot(), 'bench', 'matrix', 'peer.py');
    const peer = await PythonPeer.start(script, threads, interpreters);
    return peer && new MatrixPeer(peer);
  }

  /** Hands over L (count, h, d), R (count, h, d) and D (count, o, h); the names of the methods there are. */
  async load(count: number, { d, h, o }: Shape, dtype: DType, arrays: readonly TensorData[]): Promise<string[]> {
    return (await this.#peer.ask({ do: 'load', count, d, h, o, dtype }, arrays)).methods as string[];
  }

  /** The Gram matrix of the first few models. */
  async gram(method: string): Promise<number[][]> {
    return (await this.#peer.ask({ do: 'check', method })).gram as number[][];
  }

  /** Computes pairs for at least so many seconds, or all of them. */
  async time(method: string, seconds: number): Promise<PeerTime> {
    const { seconds: taken, pairs } = await this.#peer.work({ do: 'time', method, seconds });
    return { seconds: taken as number, pairs: pairs as number };
  }

  stop(): void {
    this.#peer.stop();
  }
}
