/**
 * What `lib` imports from node:fs/promises, in the bundle of the worker (scripts/campaigns/instrument.mjs): the system is
 * asked at once, not by a thread of the pool, which takes ten to forty times as long where files lie in memory. A reading
 * is then the same but for what others get to do meanwhile; so one that is looked at closely, or timed, asks as ever.
 */

import now from 'node:fs';
import later, { type FileHandle } from 'node:fs/promises';

let prompt = true;

/** Runs with files that are asked by the thread pool, as those who use the library have it. */
export async function withFilesAsEver<Result>(work: () => Promise<Result>): Promise<Result> {
  const before = prompt;
  prompt = false;
  try {
    return await work();
  } finally {
    prompt = before;
  }
}

type Later = typeof later;

/** The asynchronous function, and in its place the one that does the same at once. */
function either<Name extends keyof Later & string>(name: Name): Later[Name] {
  const slow = later[name] as (...args: unknown[]) => Promise<unknown>;
  const quick = (now as unknown as Record<string, (...args: unknown[]) => unknown>)[`${name}Sync`];
  const asked = async (...args: unknown[]) => (prompt ? quick(...args) : slow(...args));
  return asked as unknown as Later[Name];
}

export const access = either('access');
export const appendFile = either('appendFile');
export const lstat = either('lstat');
export const mkdir = either('mkdir');
export const mkdtemp = either('mkdtemp');
export const opendir = either('opendir');
export const readdir = either('readdir');
export const readFile = either('readFile');
export const readlink = either('readlink');
export const realpath = either('realpath');
export const rename = either('rename');
export const rm = either('rm');
export const stat = either('stat');
export const statfs = either('statfs');
export const symlink = either('symlink');
export const writeFile = either('writeFile');

export async function open(path: string, flags?: string | number, mode?: number): Promise<Handle | FileHandle> {
  return prompt ? new Handle(now.openSync(path, flags ?? 'r', mode)) : later.open(path, flags, mode);
}

/** As much of a `FileHandle` as lib asks for. */
class Handle {
  #file: number;

  constructor(file: number) {
    this.#file = file;
  }

  async stat(options?: now.StatOptions): Promise<now.Stats | now.BigIntStats> {
    return now.fstatSync(this.#file, options);
  }

  async read(buffer: Uint8Array, offset: number, length: number, position: number | null) {
    return { bytesRead: now.readSync(this.#file, buffer, offset, length, position), buffer };
  }

  async write(buffer: Uint8Array, offset?: number, length?: number, position?: number | null) {
    return { bytesWritten: now.writeSync(this.#file, buffer, offset, length, position), buffer };
  }

  async writeFile(data: string | Uint8Array): Promise<void> {
    now.writeFileSync(this.#file, data);
  }

  async truncate(length?: number): Promise<void> {
    now.ftruncateSync(this.#file, length);
  }

  async chmod(mode: number): Promise<void> {
    now.fchmodSync(this.#file, mode);
  }

  async chown(user: number, group: number): Promise<void> {
    now.fchownSync(this.#file, user, group);
  }

  async sync(): Promise<void> {
    now.fsyncSync(this.#file);
  }

  /** What is asked afterwards meets no other file that has got the number since. */
  async close(): Promise<void> {
    const file = this.#file;
    this.#file = -1;
    if (file >= 0) now.closeSync(file);
  }
}
