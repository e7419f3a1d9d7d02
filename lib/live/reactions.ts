import { spawn } from 'node:child_process';
import { setTimeout as wait } from 'node:timers/promises';
import { TensimError } from '../errors.js';
import { jsonText } from '../words/quoting.js';

/** The schema of what commands and webhooks are given. */
export const EVENT_SCHEMA = 'tensim.event/1';

/** What has happened, for those outside: a change that stands out, or a model below the limit. */
export interface Happening {
  readonly schema: typeof EVENT_SCHEMA;
  readonly event: 'onset' | 'gate';
  /** Label and file of the model before. */
  readonly from: string;
  readonly fromFile?: string;
  /** Of the model after it. */
  readonly to: string;
  readonly toFile?: string;
  /** Null where it is undefined. */
  readonly similarity: number | null;
  /** Of an onset: how many times the level before it the change is. */
  readonly rise?: number;
  /** Of the gate: the limit, and what was found. */
  readonly limit?: number;
  readonly outcome?: 'fail' | 'undecided';
}

/** Milliseconds that a webhook has to answer, and that pass before it is tried again. */
const ANSWER = 10_000;
const AGAIN = [1000, 4000];
/** Milliseconds that commands may go on after the watch has ended. */
const LINGER = 10_000;
/** What a command says is passed on up to so many characters. */
const MOST_TEXT = 4000;

/**
 * Runs a command through the shell, with what has happened as JSON on its standard input and in the environment:
 * TENSIM_EVENT, TENSIM_EVENT_FROM, TENSIM_EVENT_TO, TENSIM_EVENT_TO_FILE, TENSIM_EVENT_SIMILARITY, TENSIM_EVENT_RISE,
 * TENSIM_EVENT_JSON. Values are never put into the text of the command.
 * @returns what it said, and why it failed if it did
 */
export function runCommand(
  command: string,
  happening: Happening,
  env: Readonly<Record<string, string | undefined>>,
  signal?: AbortSignal,
): Promise<{ readonly said: string; readonly failure: string | undefined }> {
  return new Promise((resolve) => {
    const json = jsonText(happening);
    const own = {
      TENSIM_EVENT: happening.event,
      TENSIM_EVENT_FROM: happening.from,
      TENSIM_EVENT_TO: happening.to,
      TENSIM_EVENT_TO_FILE: happening.toFile ?? '',
      TENSIM_EVENT_SIMILARITY: String(happening.similarity ?? ''),
      TENSIM_EVENT_RISE: String(happening.rise ?? ''),
      TENSIM_EVENT_JSON: json,
    };
    let said = '';
    const child = spawn(command, { shell: true, env: { ...env, ...own }, stdio: 'pipe', ...(signal && { signal }) });
    const hear = (chunk: Buffer) => {
      if (said.length < MOST_TEXT) said = (said + chunk.toString()).slice(0, MOST_TEXT);
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    // A command that does not read is no mistake.
    child.stdin.on('error', () => {});
    child.stdin.end(json);
    child.once('error', (error) => resolve({ said, failure: error.message }));
    child.once('close', (code, killedBy) => {
      const failure = code === 0 ? undefined : killedBy === null ? `exit code ${code}` : `ended by ${killedBy}`;
      resolve({ said, failure });
    });
  });
}

/**
 * Tells a webhook, by POST of the JSON; three times at most where it does not answer, or with an error of its own.
 * @returns why it failed, if it did
 */
export async function tellWebhook(
  url: string,
  happening: Happening,
  signal?: AbortSignal,
): Promise<string | undefined> {
  for (const pause of [...AGAIN, undefined]) {
    const found = await post(url, jsonText(happening), signal);
    if (found.answered || pause === undefined || signal?.aborted) return found.failure;
    await wait(pause, undefined, { ...(signal && { signal }) }).catch(() => {});
  }
  return undefined;
}

/** Whether trying again is of no use; and what went wrong. */
async function post(url: string, body: string, signal: AbortSignal | undefined) {
  const timeout = AbortSignal.timeout(ANSWER);
  try {
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'User-Agent': 'tensim' },
      body,
      redirect: 'error',
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    });
    await answer.body?.cancel();
    const failure = answer.ok ? undefined : `it answers ${answer.status}`;
    return { answered: answer.ok || (answer.status < 500 && answer.status !== 429), failure };
  } catch (error) {
    const { cause, message } = error as Error;
    return { answered: false, failure: cause instanceof Error ? cause.message : message };
  }
}

/** @throws TensimError `INVALID_ARGUMENT` for what is no address of the web */
export function checkWebhook(url: string): string {
  const { protocol } = parsed(url) ?? {};
  if (protocol === 'http:' || protocol === 'https:') return url;
  throw new TensimError('INVALID_ARGUMENT', `the webhook "${url}" is no address of the web`, {
    hint: 'It begins with https:// or http://',
  });
}

function parsed(url: string): URL | undefined {
  try {
    return new URL(url);
  } catch {
    return undefined;
  }
}

/** Reactions one after the other, beside the watch: none of them holds it up, and none is lost. */
export class Reactions {
  #last: Promise<void> = Promise.resolve();
  readonly #stop = new AbortController();

  /** Ends those that are under way. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  add(react: () => Promise<void>): void {
    this.#last = this.#last.then(react);
  }

  /** Waits for all of them, but not for ever. */
  async settle(): Promise<void> {
    const timer = setTimeout(() => this.#stop.abort(), LINGER);
    await this.#last;
    clearTimeout(timer);
  }
}
