/** What the page of a strip embeds for its script: the one definition that both sides are typed by. */
export interface StripData {
  /** Colours of levels, and of what is written on them. */
  readonly colours: readonly { readonly fill: string; readonly ink: string }[];
  readonly layers: readonly LayerDetails[];
  /** The layer that is shown first. */
  readonly first: number;
  /** What the strip shows, as numbers: null where nothing is known. */
  readonly columns: readonly string[];
  readonly rows: readonly { readonly name: string; readonly values: readonly (number | null)[] }[];
}

/** What is shown of a layer when it is chosen. */
export interface LayerDetails {
  readonly title: string;
  /** Names and values. */
  readonly facts: readonly (readonly [string, string])[];
  /** A table: its head, then its rows. */
  readonly degrees: readonly (readonly string[])[];
  readonly heads: readonly HeadDetails[];
}

/** A head, the one that answers it, and how alike they are: text and level. */
export type HeadDetails = readonly [
  head: number,
  answeredBy: number,
  qk: string,
  qkLevel: number | null,
  ov: string,
  ovLevel: number | null,
];
