import { type Command, InvalidArgumentError } from 'commander';
import type { LiveFeed, LiveState } from '../live/feed.js';
import type { LivePages } from '../live/server.js';
import { messageOf } from './exit.js';
import { type Io, say } from './io.js';

/** The options of a live page, as commander parses them. */
export interface ServingFlags {
  readonly serve?: boolean;
  readonly port?: number;
  readonly open?: boolean;
}

export function addServingOptions(command: Command): Command {
  return command
    .option('--port <number>', 'of the live page on this machine (default: one that is free)', parsePort)
    .option('--open', 'open the live page in a browser');
}

/** A live page, and what feeds it. */
export interface Served extends LivePages {
  readonly feed: LiveState;
}

/** Serves a live page and says where; opens it if that is wanted. */
export async function serve(title: string, { port = 0, open }: ServingFlags, io: Io): Promise<Served> {
  // Much to read, HTTP among it, and few are served.
  const [{ LiveState }, { serveLive }] = await Promise.all([import('../live/feed.js'), import('../live/server.js')]);
  const feed = new LiveState(io.command);
  const pages = await serveLive(feed, title, port);
  say(io, `live page: ${pages.url}\n`);
  if (open) await openInBrowser(pages.url, io);
  return { ...pages, feed };
}

const OPENERS: Partial<Record<NodeJS.Platform, readonly string[]>> = {
  darwin: ['open'],
  win32: ['rundll32', 'url.dll,FileProtocolHandler'],
};

async function openInBrowser(url: string, io: Io): Promise<void> {
  const { spawn } = await import('node:child_process');
  const [program, ...args] = OPENERS[process.platform] ?? ['xdg-open'];
  const child = spawn(program, [...args, url], { stdio: 'ignore', detached: true });
  child.once('error', () => say(io, `note: no browser could be opened (${program} is not there)\n`));
  child.unref();
}

function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port <= 65_535) return port;
  throw new InvalidArgumentError('It must be a number from 0 to 65535.');
}

/** Does the work, with a page that shows it if that is wanted, and that stays until Ctrl-C when the work is done. */
export async function whileServed(
  title: string,
  flags: ServingFlags,
  io: Io,
  work: (feed: LiveFeed | undefined) => Promise<void>,
): Promise<void> {
  if (!flags.serve && !flags.open) return work(undefined);
  const served = await serve(title, flags, io);
  try {
    await work(served.feed);
  } catch (error) {
    const stopped = io.signal.aborted;
    served.feed.end({ outcome: stopped ? 'stopped' : 'failed', text: stopped ? 'stopped' : messageOf(error) });
    await served.close();
    throw error;
  }
  await keepPage(served, io);
}

async function keepPage({ feed, url, close }: Served, io: Io): Promise<void> {
  feed.end({ outcome: 'finished', text: 'finished' });
  say(io, `finished; the page stays until Ctrl-C: ${url}\n`);
  if (!io.signal.aborted) await new Promise((resolve) => io.signal.addEventListener('abort', resolve, { once: true }));
  await close();
}
