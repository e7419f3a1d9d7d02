import { TensimError } from '../../../lib/errors.js';
import { withFilesAsEver } from './prompt_files.js';
import type { Accepted, Reader, Target } from './target.js';

/** What is asked of every reading. */
export const BOUNDS = {
  /** Of processor time. */
  milliseconds: 2000,
  /** For which the event loop may be held, in processor time. */
  held: 50,
  /** Claimed above what was there before, beside `perByte` of the input. */
  bytes: 96 * 2 ** 20,
  perByte: 64,
  /** Of the message of an error. */
  characters: 4000,
  /** After which a promise that does not settle is given up, in time that passes. */
  settled: 15_000,
} as const;

/** What is wrong with a reading. */
export interface Finding {
  readonly kind: 'raw error' | 'wrong' | 'slow' | 'held' | 'memory' | 'message' | 'unsettled' | 'crash';
  /** Equal for findings that have one cause, as far as can be told. */
  readonly key: string;
  readonly message: string;
}

export type Outcome =
  | { readonly kind: 'accepted'; readonly accepted: Accepted }
  | { readonly kind: 'refused'; readonly code: string }
  | { readonly kind: 'found'; readonly finding: Finding };

/** What was thrown where nobody listens, since it was last asked for. */
const strays: unknown[] = [];

/** From here on, errors that nobody takes are findings of the input that is read. */
export function listenForStrays(): void {
  process.on('unhandledRejection', (error) => strays.push(error));
  process.on('uncaughtException', (error) => strays.push(error));
}

/** Reads an input and judges how that went. */
export async function observe(target: Target, read: Reader, bytes: Uint8Array, thorough = false): Promise<Outcome> {
  if (readings++ % LOOK === 0) look();
  const begun = performance.now();
  const work = () => settle(read, bytes, thorough);
  const outcome = await (thorough ? withFilesAsEver(work) : work());
  const milliseconds = performance.now() - begun;
  if (strays.length > 0) return raw('unhandled: ', strays.splice(0)[0]);
  if (outcome.kind === 'found') return outcome;
  const most = peak();
  const claimed = most > looked.peak ? most - looked.rss : 0;
  if (claimed > BOUNDS.bytes + BOUNDS.perByte * bytes.length)
    return found('memory', target.name, `${Math.round(claimed / 2 ** 20)} MiB for ${bytes.length} bytes`);
  // Threads that help can make it more processor time than passes, but not four times as much.
  if (milliseconds <= BOUNDS.held / 4) return outcome;
  const spent = processorTime() - looked.cpu;
  look();
  return (spent > BOUNDS.held ? await slowness(target, read, bytes, spent) : undefined) ?? outcome;
}

/** Asking the system takes as long as some readings do, so it is asked every so many of them. */
const LOOK = 16;
let readings = 0;
let looked = { rss: 0, peak: 0, cpu: 0 };
function look(): void {
  looked = { rss: process.memoryUsage.rss(), peak: peak(), cpu: processorTime() };
}

/** Whether a reading that took long does so every time: other programs run on this machine, too. */
async function slowness(target: Target, read: Reader, bytes: Uint8Array, first: number): Promise<Outcome | undefined> {
  let [least, leastHeld] = [first, Number.POSITIVE_INFINITY];
  for (let again = 0; again < 3; again++) {
    const before = processorTime();
    leastHeld = Math.min(leastHeld, await longestHeld(() => withFilesAsEver(() => settle(read, bytes, false))));
    least = Math.min(least, processorTime() - before);
  }
  if (least > BOUNDS.milliseconds) return found('slow', target.name, `${Math.round(least)} ms of processor time`);
  if (leastHeld > BOUNDS.held && !target.synchronous)
    return found('held', target.name, `the event loop was held for ${Math.round(leastHeld)} ms`);
  return undefined;
}

/** The longest time between two turns of the event loop, in processor time or in time that passed, the smaller. */
export async function longestHeld(work: () => Promise<unknown>): Promise<number> {
  let longest = 0;
  let running = true;
  let last = [processorTime(), performance.now()];
  const turn = () => {
    const now = [processorTime(), performance.now()];
    longest = Math.max(longest, Math.min(now[0] - last[0], now[1] - last[1]));
    last = now;
    if (running) setImmediate(turn);
  };
  setImmediate(turn);
  await new Promise(setImmediate);
  await work();
  await new Promise(setImmediate);
  running = false;
  return longest;
}

async function settle(read: Reader, bytes: Uint8Array, thorough: boolean): Promise<Outcome> {
  let timer: NodeJS.Timeout | undefined;
  const unsettled = new Promise<Outcome>((resolve) => {
    timer = setTimeout(
      () => resolve(found('unsettled', '', `no answer after ${BOUNDS.settled / 1000} s`)),
      BOUNDS.settled,
    );
  });
  try {
    return await Promise.race([answer(read, bytes, thorough), unsettled]);
  } finally {
    clearTimeout(timer);
  }
}

async function answer(read: Reader, bytes: Uint8Array, thorough: boolean): Promise<Outcome> {
  try {
    const accepted = await read(bytes, thorough);
    if (!thorough) return { kind: 'accepted', accepted };
    const again = await read(bytes, false);
    if (again.digest === accepted.digest) return { kind: 'accepted', accepted };
    return found('wrong', 'twice', `read twice: ${accepted.digest.slice(0, 200)}, then ${again.digest.slice(0, 200)}`);
  } catch (error) {
    if (!(error instanceof TensimError) || error.code === 'INTERNAL') return raw('', error);
    if (error.message.length > BOUNDS.characters)
      return found('message', placeOf(error), `an error of ${error.message.length} characters`);
    return { kind: 'refused', code: error.code };
  }
}

function raw(prefix: string, error: unknown): Outcome {
  if (!(error instanceof Error)) return found('raw error', String(error), `${prefix}${String(error)}`);
  const kind = error.name === 'Wrong' ? 'wrong' : 'raw error';
  return found(kind, `${error.name} ${placeOf(error)}`, `${prefix}${error.name}: ${error.message}\n${error.stack}`);
}

function found(kind: Finding['kind'], key: string, message: string): Outcome {
  return { kind: 'found', finding: { kind, key: `${kind} ${key}`, message } };
}

/** Where an error was thrown, without what differs from input to input. */
function placeOf(error: Error): string {
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line) && !line.includes('node:'));
  return frames.length > 0 ? frames[0].trim() : error.message.replaceAll(/\d+/g, '#').slice(0, 80);
}

const peak = (): number => process.resourceUsage().maxRSS * 1024;

function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
