import { join } from 'node:path';

import { packageRoot } from '../../lib/machines/locate.js';
import type { DType, Tensor } from '../../lib/tensor/tensor.js';
import { PythonPeer } from '../python.js';
import type { Contestant } from './contestant.js';
import { type Instance, shapesOf } from './instances.js';

export interface NumpyInfo {
  readonly numpy: string;
  readonly python: string;
  readonly blas: string;
}

/** A method of numpy that is not measured, and why. */
export interface Refusal {
  readonly name: string;
  readonly reason: string;
}

/** numpy's ways to contract (peer.py). */
export class NumpyPeer {
  readonly info: NumpyInfo;
  readonly #peer: PythonPeer;

  private constructor(peer: PythonPeer) {
    this.info = peer.greeting as NumpyInfo;
    this.#peer = peer;
  }

  /** Starts the first interpreter that has numpy, with `threads` threads; undefined if none has. */
  static async start(threads: number, interpreters?: readonly string[]): Promise<NumpyPeer | undefined> {
    const script = join(packageRoot(), 'bench', 'contraction', 'peer.py');
    const peer = await PythonPeer.start(script, threads, interpreters);
    return peer && new NumpyPeer(peer);
  }

  /** Hands over an instance with its result. The contestants are valid until the next is loaded. */
  async load(
    instance: Instance,
    operands: readonly Tensor[],
    dtype: DType,
    expected: Tensor,
  ): Promise<{ contestants: Contestant[]; refusals: Refusal[] }> {
    const { equation } = instance;
    const request = { do: 'load', equation, shapes: shapesOf(instance), result: expected.shape, dtype };
    const answer = await this.#peer.ask(request, [...operands.map(({ data }) => data), expected.data]);
    const methods = answer.methods as { name: string; reason: string | null }[];
    const refusals = methods.flatMap(({ name, reason }) => (reason === null ? [] : [{ name, reason }]));
    const contestants = methods
      .filter(({ reason }) => reason === null)
      .map(
        ({ name }): Contestant => ({
          engine: 'numpy',
          method: name,
          check: async () => (await this.#peer.ask({ do: 'check', method: name })).difference as number,
          time: async (seconds) => (await this.#peer.work({ do: 'time', method: name, seconds })).seconds as number,
        }),
      );
    return { contestants, refusals };
  }

  stop(): void {
    this.#peer.stop();
  }
}
