import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as rest } from 'node:timers/promises';

import { packageRoot } from '../../lib/backend/locate.js';
import type { DType, TensorData } from '../../lib/tensor/tensor.js';
import { INTERPRETERS, SPINNING_MS, THREAD_VARIABLES } from '../contraction/numpy.js';
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

type Line = Record<string, unknown> & { readonly error?: string };

/** numpy and torch in a process of their own (peer.py), asked one thing at a time. */
export class MatrixPeer {
  readonly info: PeerInfo;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  readonly #threads: number;

  private constructor(
    info: PeerInfo,
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
  static async start(threads: number, interpreters = INTERPRETERS): Promise<MatrixPeer | undefined> {
    const env = { ...process.env, ...Object.fromEntries(THREAD_VARIABLES.map((name) => [name, String(threads)])) };
    for (const interpreter of interpreters) {
      const script = join(packageRoot(), 'bench', 'matrix', 'peer.py');
      const child = spawn(interpreter, [script, String(threads)], { env });
      child.on('error', () => {}); // No such interpreter: the stream of lines ends.
      child.stdin.on('error', () => {}); // It went away: so does the answer that is waited for.
      child.stderr.resume();
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
      const { done, value } = await lines.next();
      if (!done) return new MatrixPeer(JSON.parse(value) as PeerInfo, child, lines, threads);
    }
    return undefined;
  }

  /** Hands over L (count, h, d), R (count, h, d) and D (count, o, h); the names of the methods there are. */
  async load(count: number, { d, h, o }: Shape, dtype: DType, arrays: readonly TensorData[]): Promise<string[]> {
    return (await this.#ask({ do: 'load', count, d, h, o, dtype }, arrays)).methods as string[];
  }

  /** The Gram matrix of the first few models. */
  async gram(method: string): Promise<number[][]> {
    return (await this.#ask({ do: 'check', method })).gram as number[][];
  }

  /** Computes pairs for at least so many seconds, or all of them. */
  async time(method: string, seconds: number): Promise<PeerTime> {
    const { seconds: taken, pairs } = await this.#ask({ do: 'time', method, seconds });
    if (this.#threads > 1) await rest(SPINNING_MS);
    return { seconds: taken as number, pairs: pairs as number };
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
    if (done) throw new Error('the peer has ended unexpectedly');
    const answer = JSON.parse(value) as Line;
    if (answer.error !== undefined) throw new Error(`the peer: ${answer.error}`);
    return answer;
  }
}
