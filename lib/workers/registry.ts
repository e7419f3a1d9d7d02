import type { Redis } from 'ioredis';
import { KEYS, WORKER_LIFE } from './names.js';
import type { WorkerState } from './terms.js';

/** What a worker says of itself every moment. */
export interface Announcement extends WorkerState {
  /** The run of the tile that it computes. */
  readonly run: string | null;
}

/** Says that a worker listens to these queues; true for a little while. */
export async function announce(redis: Redis, queues: readonly string[], worker: Announcement): Promise<void> {
  const text = JSON.stringify(worker);
  const commands = redis.multi().set(KEYS.worker(worker.name), text, 'EX', WORKER_LIFE);
  for (const queue of queues) commands.sadd(KEYS.workers(queue), worker.name);
  await commands.sadd(KEYS.queues, ...queues).exec();
}

export async function retire(redis: Redis, queues: readonly string[], name: string): Promise<void> {
  const commands = redis.multi().del(KEYS.worker(name));
  for (const queue of queues) commands.srem(KEYS.workers(queue), name);
  await commands.exec();
}

/** The workers that listen to a queue. Those that have gone without a word are forgotten. */
export async function workersOf(redis: Redis, queue: string): Promise<Announcement[]> {
  const names = await redis.smembers(KEYS.workers(queue));
  if (names.length === 0) return [];
  const texts = await redis.mget(names.map(KEYS.worker));
  const gone = names.filter((_, i) => texts[i] === null);
  if (gone.length > 0) await redis.srem(KEYS.workers(queue), ...gone);
  return texts.filter((text) => text !== null).flatMap(announcementIn);
}

/** The workers of all queues. */
export async function allWorkers(redis: Redis): Promise<Announcement[]> {
  const found = new Map<string, Announcement>();
  for (const queue of await redis.smembers(KEYS.queues))
    for (const worker of await workersOf(redis, queue)) found.set(worker.name, worker);
  return [...found.values()];
}

/** What a worker of another version says may not be understood, and is passed over. */
function announcementIn(text: string): Announcement[] {
  try {
    const value: Announcement = JSON.parse(text);
    return typeof value.name === 'string' && typeof value.numerics === 'string' ? [value] : [];
  } catch {
    return [];
  }
}
