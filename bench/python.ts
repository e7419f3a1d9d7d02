import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as rest } from 'node:timers/promises';

import type { TensorData } from '../lib/tensor/tensor.js';

export type Answer = Record<string, unknown> & { readonly error?: string };

export const INTERPRETERS: readonly string[] = ['python3', '/usr/bin/python3'];
/** Every library that numpy may do its products with reads one of these. */
const THREAD_VARIABLES = [
  'OPENBLAS_NUM_THREADS',
  'OMP_NUM_THREADS',
  'MKL_NUM_THREADS',
  'BLIS_NUM_THREADS',
  'VECLIB_MAXIMUM_THREADS',
];
/** Idle threads of OpenBLAS spin for some 2^26 cycles before they sleep, on cores that the next contestant wants. */
const SPINNING_MS = 40;

/**
 * A peer in a process of its own: a Python script that greets with a line of JSON, and then answers one request at a
 * time.
 */
export class PythonPeer {
  /** What the script said of itself. */
  readonly greeting: unknown;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  readonly #threads: number;

  private constructor(
    greeting: unknown,
    child: ChildProcessWithoutNullStreams,
    lines: AsyncIterator<string>,
    threads: number,
  ) {
    this.greeting = greeting;
    this.#child = child;
    this.#lines = lines;
    this.#threads = threads;
  }

  /**
   * Starts the script, with `threads` as its argument, by the first interpreter that can run it; undefined if none can.
   */
  static async start(script: string, threads: number, interpreters = INTERPRETERS): Promise<PythonPeer | undefined> {
    const env = { ...process.env, ...Object.fromEntries(THREAD_VARIABLES.map((name) => [name, String(threads)])) };
    for (const interpreter of interpreters) {
      const child = spawn(interpreter, [script, String(threads)], { env });
      child.on('error', () => {}); // No such interpreter: the stream of lines ends.
      child.stdin.on('error', () => {}); // It went away: so does the answer that is waited for.
      child.stderr.resume();
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
      const { done, value } = await lines.next();
      if (!done) return new PythonPeer(JSON.parse(value), child, lines, threads);
    }
    return undefined;
  }

  /** Sends a request and, after it, arrays as they lie in memory. */
  async ask(request: object, arrays: readonly TensorData[] = []): Promise<Answer> {
    this.#child.stdin.write(`${JSON.stringify(request)}\n`);
    for (const { buffer, byteOffset, byteLength } of arrays) {
      this.#child.stdin.write(new Uint8Array(buffer, byteOffset, byteLength));
    }
    const { done, value } = await this.#lines.next();
    if (done) throw new Error('the peer has ended unexpectedly');
    const answer = JSON.parse(value) as Answer;
    if (answer.error !== undefined) throw new Error(`the peer: ${answer.error}`);
    return answer;
  }

  /** The same for what takes the processor: its threads are asleep again when this resolves. */
  async work(request: object): Promise<Answer> {
    const answer = await this.ask(request);
    if (this.#threads > 1) await rest(SPINNING_MS);
    return answer;
  }

  stop(): void {
    this.#child.stdin.end();
  }
}
