import { ByteReader } from './byte_reader.js';
import type { Fail } from './call.js';
import { argumentOf, OP } from './opcodes.js';

/** Instructions between two pauses. */
export const RUN = 256;

/**
 * Which of the values that a pickle remembers it recalls. Picklers remember everything and recall next to nothing: what
 * is never recalled need not be kept, which for a checkpoint of many tensors is most of the memory it takes.
 */
export class Recalled {
  /** One bit for every value there can be: a pickle remembers fewer values than it has bytes. */
  readonly #bits: Uint8Array;
  /** Where the pickle ends. */
  end = 0;

  constructor(bytes: Buffer) {
    this.#bits = new Uint8Array(Math.ceil(bytes.length / 8));
  }

  add(index: number): void {
    // What lies beyond cannot have been remembered: it is refused when it is recalled.
    if (index >>> 3 < this.#bits.length) this.#bits[index >>> 3] |= 1 << (index & 7);
  }

  has(index: number): boolean {
    return (this.#bits[index >>> 3] & (1 << (index & 7))) !== 0;
  }
}

/** Goes through the instructions of a pickle without carrying out any. */
export function* findRecalled(bytes: Buffer, fail: Fail): Generator<void, Recalled> {
  const reader = new ByteReader(bytes, fail);
  const recalled = new Recalled(bytes);
  for (let steps = 1; ; steps++) {
    const opcode = reader.byte();
    if (opcode === OP.STOP) {
      recalled.end = reader.position;
      return recalled;
    }
    if (opcode === OP.BINGET) recalled.add(reader.byte());
    else if (opcode === OP.LONG_BINGET) recalled.add(reader.uint32());
    else if (opcode === OP.GET) recalled.add(Number(reader.line()));
    else {
      const argument = argumentOf(opcode);
      if (argument === undefined)
        throw fail(`has the instruction 0x${opcode.toString(16).padStart(2, '0')}, which is none of a pickle`);
      reader.skip(argument);
    }
    if (steps % RUN === 0) yield;
  }
}
