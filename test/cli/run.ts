import { Writable } from 'node:stream';
import { run } from '../../lib/cli/main.js';

/** The end of a stream: keeps all that is written to it. */
export class Sink extends Writable {
  text = '';
  readonly isTTY: boolean;
  readonly columns: number;

  constructor(isTTY = false, columns = 100) {
    super({ decodeStrings: false });
    this.isTTY = isTTY;
    this.columns = columns;
  }

  override _write(chunk: string | Buffer, _: BufferEncoding, done: (error?: Error) => void): void {
    this.text += chunk;
    done();
  }
}

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Surroundings {
  /** Both streams are terminals, so wide. */
  readonly terminal?: boolean;
  readonly columns?: number;
  readonly signal?: AbortSignal;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** Runs the command line in this process. */
export async function tensim(args: readonly string[], surroundings: Surroundings = {}): Promise<Outcome> {
  const { terminal = false, columns, signal = new AbortController().signal, env = {}, cwd } = surroundings;
  const stdout = new Sink(terminal, columns);
  const stderr = new Sink(terminal, columns);
  const code = await run(args, { stdout, stderr, signal, env, ...(cwd !== undefined && { cwd }) });
  return { code, stdout: stdout.text, stderr: stderr.text };
}

/** The checkpoints of the repository's own example. */
export const BACKDOOR = 'examples/digits-backdoor';
export const step = (number: number): string => `${BACKDOOR}/step_${String(number).padStart(5, '0')}.safetensors`;
