import type { HubAddress } from './address.js';
import type { HubClient, HubEntry } from './client.js';
import { endpoint } from './settings.js';

/** Entries of all listings that are kept. */
const MOST_KEPT = 100_000;

const LISTINGS = new Map<string, readonly HubEntry[]>();
let kept = 0;

/** What is in a folder of a commit. It never changes, and many files of one folder ask for the same. */
export async function listing(
  client: HubClient,
  { type, repository }: HubAddress,
  commit: string,
  folder: string,
  recursive: boolean,
): Promise<readonly HubEntry[]> {
  const key = JSON.stringify([endpoint(), type, repository, commit, folder, recursive]);
  const known = LISTINGS.get(key);
  if (known !== undefined) return known;
  const entries = await client.list(commit, folder, recursive);
  kept += entries.length;
  if (kept > MOST_KEPT) {
    LISTINGS.clear();
    kept = entries.length;
  }
  LISTINGS.set(key, entries);
  return entries;
}
