import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as rest } from 'node:timers/promises';

import { packageRoot } from '../../lib/backend/locate.js';
import type { DType, Tensor, TensorData } from '../../lib/tensor/tensor.js';
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

type Line = Record<string, unknown> & { readonly error?: string };

export const INTERPRETERS: readonly string[] = ['python3', '/usr/bin/python3'];
/** Every library that numpy may do its products with reads one of these. */
export const THREAD_VARIABLES = [
  'OPENBLAS_NUM_THREADS',
  'OMP_NUM_THREADS',
  'MKL_NUM_THREADS',
  'BLIS_NUM_THREADS',
  'VECLIB_MAXIMUM_THREADS',
];
/** Idle threads of OpenBLAS spin for some 2^26 cycles before they sleep, on cores that the next contestant wants. */
export const SPINNING_MS = 40;

/** numpy in a process of its own (peer.py), asked one thing at a time. */
export class NumpyPeer {
  readonly info: NumpyInfo;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  readonly #threads: number;

  private constructor(
    info: NumpyInfo,
    child: ChildProcessWithoutNullStreams,
    lines: AsyncIterator<string>,
    threads: number,
  ) {
    this.info = info;
    this.#child = child;
    this.#lines = lines;
    this.#threads = threads;
  }

  /** Starts the first interpreter that has numpy, with `threads` threads; undefined if none has. */
  static async start(threads: number, interpreters = INTERPRETERS): Promise<NumpyPeer | undefined> {
    const env = { ...process.env, ...Object.fromEntries(THREAD_VARIABLES.map((name) => [name, String(threads)])) };
    for (const interpreter of interpreters) {
      const child = spawn(interpreter, [join(packageRoot(), 'bench', 'contraction', 'peer.py')], { env });
      child.on('error', () => {}); // No such interpreter: the stream of lines ends.
      child.stdin.on('error', () => {}); // It went away: so does the answer that is waited for.
      child.stderr.resume();
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
      const { done, value } = await lines.next();
      if (!done) return new NumpyPeer(JSON.parse(value) as NumpyInfo, child, lines, threads);
    }
    return undefined;
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
    const answer = await this.#ask(request, [...operands.map(({ data }) => data), expected.data]);
    const methods = answer.methods as { name: string; reason: string | null }[];
    const refusals = methods.flatMap(({ name, reason }) => (reason === null ? [] : [{ name, reason }]));
    const contestants = methods
      .filter(({ reason }) => reason === null)
      .map(
        ({ name }): Contestant => ({
          engine: 'numpy',
          method: name,
          check: async () => (await this.#ask({ do: 'check', method: name })).difference as number,
          time: async (seconds) => {
            const taken = (await this.#ask({ do: 'time', method: name, seconds })).seconds as number;
            if (this.#threads > 1) await rest(SPINNING_MS);
            return taken;
          },
        }),
      );
    return { contestants, refusals };
  }

  stop(): void {
    this.#child.stdin.end();
  }

  async #ask(request: object, arrays: readonly TensorData[] = []): Promise<Line> {
    this.#child.stdin.write(`${JSON.stringify(request)}\n`);
    for (const { buffer, byteOffset, byteLength } of arrays) {
      this.#child.stdin.write(new Uint8Array(buffer, byteOffset, byteLength));
    }
    const { done, value } = await this.#lines.next();
    if (done) throw new Error('numpy has ended unexpectedly');
    const answer = JSON.parse(value) as Line;
    if (answer.error !== undefined) throw new Error(`numpy: ${answer.error}`);
    return answer;
  }
}
