/**
 * A program of its own that tells how many bytes a call reads, as the system counts them for the process: one argument,
 * the calls as JSON. Before each call comes the same on a small model, so that no code is left to be loaded.
 */
import { readFileSync } from 'node:fs';
import { Writable } from 'node:stream';
import { run } from '../../lib/cli/main.js';
import { inspect, loadModel, similarityMatrix } from '../../lib/index.js';

/** What is called, on which paths; on small ones first. */
export interface Probe {
  readonly call: 'loadModel' | 'inspect' | 'similarityMatrix' | 'compare';
  readonly paths: readonly string[];
  readonly small: readonly string[];
  readonly options?: Readonly<Record<string, unknown>>;
}

export interface Probed {
  readonly bytes: number;
  /** How often a matrix has prepared a model. */
  readonly prepared?: number;
}

class Nowhere extends Writable {
  override _write(_: unknown, __: BufferEncoding, done: () => void): void {
    done();
  }
}

const bytesRead = () => Number(/rchar: (\d+)/.exec(readFileSync('/proc/self/io', 'latin1'))![1]);

async function carryOut({ call, options = {} }: Probe, paths: readonly string[]): Promise<number | undefined> {
  const [first, second] = paths;
  if (call === 'loadModel') await loadModel(first, options);
  else if (call === 'inspect') await inspect(first, options);
  else if (call === 'similarityMatrix') return (await similarityMatrix(paths, options)).work.prepared;
  else {
    const io = { stdout: new Nowhere(), stderr: new Nowhere(), signal: new AbortController().signal, env: {} };
    const code = await run(['compare', first, second, '--json'], io);
    if (code !== 0) throw new Error(`the command line ended with ${code}`);
  }
}

const results: Probed[] = [];
for (const probe of JSON.parse(process.argv[2]) as Probe[]) {
  await carryOut(probe, probe.small);
  const before = bytesRead();
  const prepared = await carryOut(probe, probe.paths);
  results.push({ bytes: bytesRead() - before, ...(prepared !== undefined && { prepared }) });
}
console.log(JSON.stringify(results));
