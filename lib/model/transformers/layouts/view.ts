import type { TensorInfo, Tensors } from '../../blueprint.js';
import type { Piece } from '../network.js';

/** Names for one thing, of which the first that is there is taken. */
export type Names = readonly string[];

/** Tensors under the names that they have within a layer, or in the network; remembers which were asked for. */
export class View {
  readonly #tensors: ReadonlyMap<string, TensorInfo>;
  readonly #inNetwork: ReadonlyMap<string, string>;
  readonly #asked = new Set<string>();
  readonly #missing: string[] = [];

  /**
   * @param inNetwork names in the network by the names here
   */
  constructor(tensors: Tensors, inNetwork: ReadonlyMap<string, string>) {
    this.#tensors = new Map([...inNetwork].map(([own, name]) => [own, tensors.get(name)!]));
    this.#inNetwork = inNetwork;
  }

  /** The first of these names that is there. */
  find(names: Names): string | undefined {
    return names.find((name) => this.#tensors.has(name));
  }

  shape(name: string): readonly number[] {
    return this.#tensors.get(name)!.shape;
  }

  isAsked(name: string): boolean {
    return this.#asked.has(name);
  }

  /** A piece of a tensor that is there; undefined where none of these is. */
  optional(names: Names, about: Omit<Piece, 'tensor'> = {}): Piece | undefined {
    const name = this.find(names);
    if (name === undefined) return undefined;
    this.#asked.add(name);
    return { tensor: this.#inNetwork.get(name)!, ...about };
  }

  /** The same of one that must be there: where it is not, that is remembered under the first of its names. */
  required(names: Names, about: Omit<Piece, 'tensor'> = {}): Piece {
    const found = this.optional(names, about);
    if (found === undefined) this.#missing.push(names[0]);
    return found ?? { tensor: names[0], ...about };
  }

  /** What was asked for and is not there. */
  get missing(): readonly string[] {
    return this.#missing;
  }

  /** Names in the network of what nobody has asked for. */
  get rest(): string[] {
    return [...this.#inNetwork].filter(([own]) => !this.#asked.has(own)).map(([, name]) => name);
  }
}

/** A network's tensors by layers, and those outside of them. */
export interface Split {
  /** By number, in the order of the numbers. */
  readonly layers: ReadonlyMap<number, View>;
  readonly outside: View;
}

/**
 * @param pattern of names in a layer: groups for its number and for the name within
 */
export function splitLayers(tensors: Tensors, pattern: RegExp): Split {
  const layers = new Map<number, Map<string, string>>();
  const outside = new Map<string, string>();
  for (const name of tensors.keys()) {
    const [, number, within] = pattern.exec(name) ?? [];
    if (within === undefined) outside.set(name, name);
    else layers.set(Number(number), (layers.get(Number(number)) ?? new Map()).set(within, name));
  }
  const ordered = [...layers].sort(([one], [other]) => one - other);
  return {
    layers: new Map(ordered.map(([number, names]) => [number, new View(tensors, names)])),
    outside: new View(tensors, outside),
  };
}
