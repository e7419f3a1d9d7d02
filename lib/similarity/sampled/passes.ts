import type { BackendWith } from '../../backend/backend.js';
import type { Control } from '../../backend/control.js';
import type { ForwardPass, Keeping } from '../../backend/forward.js';
import type { PreparedModel, WhitenedLaw } from '../../backend/grams.js';
import { Pacer } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import type { Outline } from '../../model/reading/outline.js';
import type { DType, TensorData } from '../../tensor/tensor.js';
import type { Member } from '../members/members.js';
import { forwardSource } from '../scale/source.js';
import type { Draw, InputKind } from './draws.js';

/** How models are packed for the forward pass. */
export interface PassSettings {
  readonly backend: BackendWith<'forward'>;
  readonly dtype: DType;
  readonly signal?: AbortSignal | undefined;
  readonly threads?: number | undefined;
  /** How large inputs are; default: as large as one-hot vectors. */
  readonly law?: WhitenedLaw | undefined;
  /** Bytes that packed models may take together; default: any number. */
  readonly memoryLimit?: number | undefined;
}

/**
 * Models packed for the forward pass, each when it is first evaluated, and as many as the memory allows. Where not all
 * fit, the ones used last make room: models are evaluated in turns, one after the other, and those packed first are
 * then there again at every turn.
 */
export class Passes {
  readonly #members: Member[];
  readonly #input: InputKind;
  readonly #settings: PassSettings;
  /** By number; the one used last at the end. */
  readonly #passes = new Map<number, ForwardPass>();
  /** By number, of models that have been packed. */
  readonly #exponents: number[] = [];
  /** Bytes of the largest one so far. */
  #largest = 0;

  constructor(members: readonly Member[], input: InputKind, settings: PassSettings) {
    this.#members = [...members];
    this.#input = input;
    this.#settings = settings;
  }

  /**
   * Outputs of model m on inputs, one call at a time.
   * @throws TensimError `MEMORY_LIMIT` where the model alone takes more than the limit; as reading a file.
   */
  async evaluate(m: number, inputs: Draw['inputs'], control: Control): Promise<TensorData> {
    return (await this.#packed(m)).evaluate(inputs, control);
  }

  /**
   * The same outputs, kept where the backend has its memory: for backends that say so by `Forward.kept`.
   * @throws TensimError as `evaluate`.
   */
  async keep(m: number, inputs: Draw['inputs'], keeping: Keeping, control: Control): Promise<PreparedModel> {
    return (await this.#packed(m)).keep!(inputs, keeping, control);
  }

  /** Takes one more model, under the same limit; its number. */
  add(member: Member): number {
    return this.#members.push(member) - 1;
  }

  /** Gives back what is packed of model m. */
  release(m: number): void {
    this.#passes.get(m)?.dispose();
    this.#passes.delete(m);
  }

  /** Of a model that has been evaluated: its outputs are in units of 2^exponent. */
  exponent(m: number): number {
    return this.#exponents[m];
  }

  /** Gives back all; what is evaluated afterwards is packed again. */
  dispose(): void {
    for (const pass of this.#passes.values()) pass.dispose();
    this.#passes.clear();
  }

  async #packed(m: number): Promise<ForwardPass> {
    const pass = this.#passes.get(m) ?? (await this.#pack(m));
    this.#passes.delete(m);
    this.#passes.set(m, pass);
    return pass;
  }

  async #pack(m: number): Promise<ForwardPass> {
    const { backend, dtype, signal, threads, memoryLimit = Number.POSITIVE_INFINITY } = this.#settings;
    const { outline } = this.#members[m];
    const { layers } = await this.#members[m].load();
    // Models are of like sizes: this one will hardly take more than the largest so far.
    this.#makeRoom(this.#largest, memoryLimit);
    const [positions, inputs] = outline.inputShape;
    const chain = { layers, law: this.#settings.law ?? { sigma: 1 / Math.sqrt(inputs) }, inputs, positions };
    const { source, scale } = await forwardSource(chain, this.#input, { dtype, perOutput: false }, new Pacer(signal));
    this.#exponents[m] = scale.exponent;
    const pass = await backend.forward.prepare(source, dtype, { signal, threads });
    const { bytes } = pass;
    this.#largest = Math.max(this.#largest, bytes);
    if (bytes > memoryLimit) {
      pass.dispose();
      throw tooLarge(outline, bytes, memoryLimit);
    }
    this.#makeRoom(bytes, memoryLimit);
    return pass;
  }

  /** Disposes of models until `bytes` more fit. */
  #makeRoom(bytes: number, memoryLimit: number): void {
    const latestFirst = [...this.#passes].reverse();
    let total = latestFirst.reduce((sum, [, pass]) => sum + pass.bytes, bytes);
    for (const [number, pass] of latestFirst) {
      if (total <= memoryLimit) return;
      total -= pass.bytes;
      this.#passes.delete(number);
      pass.dispose();
    }
  }
}

function tooLarge({ label }: Outline, bytes: number, limit: number): TensimError {
  return new TensimError('MEMORY_LIMIT', `"${label}" takes ${bytes} bytes, more than the limit of ${limit}`, {
    hint: 'Raise memoryLimit, or use dtype "float32"',
  });
}
