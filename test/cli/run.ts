import { Writable } from 'node:stream';
import { run } from '../../lib/cli/main.js';

/** The end of a stream: keeps all that is written to it. */
export class Sink extends Writable {
  text = '';
  readonly isTTY: boolean;
  readonly columns = 100;

  constructor(isTTY = false) {
    super({ decodeStrings: false });
    this.isTTY = isTTY;
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
  /** Both streams are terminals. */
  readonly terminal?: boolean;
  readonly signal?: AbortSignal;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs the command line in this process. */
export async function tensim(args: readonly string[], surroundings: Surroundings = {}): Promise<Outcome> {
  const { terminal = false, signal = new AbortController().signal, env = {} } = surroundings;
  const stdout = new Sink(terminal);
  const stderr = new Sink(terminal);
  const code = await run(args, { stdout, stderr, signal, env });
  return { code, stdout: stdout.text, stderr: stderr.text };
}

/** The checkpoints of the repository's own example. */
export const BACKDOOR = 'examples/digits-backdoor';
export const step = (number: number): string => `${BACKDOOR}/step_${String(number).padStart(5, '0')}.safetensors`;
