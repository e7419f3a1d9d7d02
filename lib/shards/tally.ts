import type { GramTile } from '../backend/grams.js';
import { KnownPairs } from '../similarity/gram/known.js';
import { type PairSet, pairCount, type Span } from '../similarity/gram/pairs.js';
import type { Sink } from '../similarity/gram/run.js';
import type { Job } from '../similarity/gram/schedule.js';
import type { Sides } from './regions.js';

/**
 * Which products of a shard are wanted, and which are there. The products themselves go to the state file alone, so that
 * a shard needs a bit for a pair, and not the matrix.
 */
export class Tally implements Sink {
  readonly pairs: PairSet;
  readonly #wanted: KnownPairs;
  readonly #known: KnownPairs;

  /** @param isWanted what of the regions is wanted. */
  constructor(count: number, regions: readonly Sides[], isWanted: (i: number, j: number) => boolean) {
    this.#wanted = new KnownPairs(count);
    this.#known = new KnownPairs(count);
    for (const { rows, columns, symmetric } of regions) {
      for (const [place, i] of rows.entries()) {
        const others = (symmetric ? columns.slice(place) : columns).filter((j) => isWanted(i, j));
        this.#wanted.addAll(i, others, 0);
      }
    }
    this.pairs = { count, spans: (i) => this.#spans(i, count) };
  }

  #spans(i: number, count: number): Span[] {
    const spans: [number, number][] = [];
    for (let j = i; j < count; j++) {
      if (!this.#wanted.has(i, j)) continue;
      const last = spans.at(-1);
      if (last?.[1] === j) last[1] = j + 1;
      else spans.push([j, j + 1]);
    }
    return spans;
  }

  /** How many are wanted. */
  get pairCount(): number {
    return pairCount(this.pairs);
  }

  get isEmpty(): boolean {
    return this.#known.isEmpty;
  }

  knows(i: number, j: number): boolean {
    return this.#known.has(i, j);
  }

  /** Whether the product is wanted, and not there. */
  lacks(i: number, j: number): boolean {
    return this.#wanted.has(i, j) && !this.#known.has(i, j);
  }

  expect(): void {}

  async put({ rows, columns, symmetric }: Job): Promise<void> {
    for (const [place, i] of rows.entries()) this.#known.addAll(i, columns, symmetric ? place : 0);
  }

  set(i: number, j: number, _tile: GramTile, _at: number): void {
    this.#known.add(i, j);
  }
}
