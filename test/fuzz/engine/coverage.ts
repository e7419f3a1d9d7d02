/**
 * The counters that scripts/campaigns/instrument.mjs puts into the branches of lib. How often a branch was taken counts
 * by its order of magnitude, as in AFL: a loop that runs ten times more is something new, one that runs once more is
 * not.
 */
const counters = (globalThis as { tensimCounters?: Uint8Array }).tensimCounters ?? new Uint8Array(8);
const words = new Uint32Array(counters.buffer);
const seen = new Uint8Array(counters.length);

/** Before a run. */
export function forgetCounts(): void {
  counters.fill(0);
}

/** Counts what stands for a branch without a counter, where native code has gone: a refusal of its, say. */
export function took(place: string): void {
  let hash = 0;
  for (let i = 0; i < place.length; i++) hash = (Math.imul(hash, 31) + place.charCodeAt(i)) >>> 0;
  counters[hash % counters.length]++;
}

/** After a run: how many branches it took that no run before did, or not of this order; they count as seen from now. */
export function newBranches(): number {
  let found = 0;
  for (let word = 0; word < words.length; word++) {
    if (words[word] === 0) continue;
    for (let i = 4 * word; i < 4 * word + 4; i++) {
      const magnitude = counters[i] === 0 ? 0 : 1 << (31 - Math.clz32(counters[i]));
      if ((seen[i] & magnitude) === magnitude) continue;
      seen[i] |= magnitude;
      found++;
    }
  }
  return found;
}

/** As if nothing had been taken yet. */
export function forgetBranches(): void {
  seen.fill(0);
}

/** Branches that were ever taken. */
export function branchesSeen(): number {
  return seen.reduce((count, byte) => count + (byte === 0 ? 0 : 1), 0);
}
