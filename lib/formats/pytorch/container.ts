import type { Value } from './values.js';

/** Far above the pickle of any state dict, whose numbers lie elsewhere. */
export const MOST_PICKLE = 256 * 1024 * 1024;

export const SAVE_ALONE =
  'Nothing of it was executed. Save the state dict alone: torch.save(model.state_dict(), "file.pt")';

/** The pickle of a checkpoint, and where in the file it begins. */
export interface Pickle {
  readonly bytes: Buffer;
  readonly at: number;
}

/** Bytes of a file. */
export interface Extent {
  readonly at: number;
  readonly size: number;
}

/** What a checkpoint of PyTorch lies in: the archive that torch.save writes, or what it wrote before that. */
export interface Container {
  /** What helps where the pickle is refused. */
  remedy(): string;
  pickle(): Promise<Pickle>;
  isBigEndian(): Promise<boolean>;
  /** Told of every persistent id in the pickle, before any storage is asked for. */
  readonly note?: (id: Value) => void;
  /** Called when the pickle has been read. */
  settle?(signal?: AbortSignal): Promise<void>;
  /** Where the numbers of a storage are; undefined if there is none of that key. */
  storage(key: string): Promise<Extent | undefined>;
}
