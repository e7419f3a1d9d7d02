/** The schema of `LiveEvent`. */
export const LIVE_SCHEMA = 'tensim.live/1';

/**
 * What a page that follows a computation is told, as plain data. Of every kind the last one counts, so that whoever was
 * away needs the last of each and no more.
 */
export type LiveEvent = LiveProgress | LiveReport | LiveNotes | LiveEnd;

/** How far the work is. */
export interface LiveProgress {
  readonly kind: 'progress';
  /** In a word or two: reading, comparing. */
  readonly phase: string;
  readonly done: number;
  readonly total: number;
}

/** There is more to be seen than before: the page of this version can be fetched. */
export interface LiveReport {
  readonly kind: 'report';
  /** Higher than before. */
  readonly version: number;
  /** Whether nothing of it is left to come. */
  readonly whole: boolean;
}

/** What is to be said beside the report, all of it: files that cannot be read, the last onset. */
export interface LiveNotes {
  readonly kind: 'notes';
  readonly notes: readonly LiveNote[];
}

export interface LiveNote {
  readonly tone: 'plain' | 'good' | 'bad';
  readonly text: string;
}

/** Nothing will come any more. */
export interface LiveEnd {
  readonly kind: 'end';
  readonly outcome: 'finished' | 'stopped' | 'failed';
  readonly text: string;
}

/** All kinds of them. */
export const LIVE_KINDS = ['report', 'notes', 'progress', 'end'] as const satisfies readonly LiveEvent['kind'][];

/** Where the parts of a live page are found, from its own address. */
export const LIVE_PATHS = { events: 'events', report: 'report' } as const;
