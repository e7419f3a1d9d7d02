import { isUtf8 } from 'node:buffer';
import { count } from '../../words/counts.js';
import { quote } from '../../words/quoting.js';
import type { MemoryBudget } from '../budget.js';
import { ByteReader } from './byte_reader.js';
import { call, type Fail, setItem, storageOf } from './call.js';
import { meaningOf } from './globals.js';
import { OP } from './opcodes.js';
import { Dict, Global, OPAQUE, Sequence, type Value } from './values.js';

/** Values on the stack, or open marks, at a time. Python's pickler puts a thousand there before it gathers them. */
const MOST_STACK = 1 << 16;
/** Instructions between two pauses. */
const RUN = 256;
/** Bytes of a text that is kept; a longer one can be no name and no setting. */
const MOST_TEXT = 4096;

/** What values cost in memory, in bytes, estimated on the high side; numbers cost what holds them. */
const COST = {
  object: 64,
  tuple: 112,
  list: 256,
  call: 128,
  item: 24,
  entry: 112,
  number: 16,
  memo: 24,
  text: 48,
} as const;

/**
 * Reads a pickle without carrying out anything it asks for: a machine of its own with an allow-list of instructions
 * (opcodes.ts) and of globals (globals.ts), whose values are plain data. Values are never walked through here, so that
 * tuples of tuples of the same tuples, and a million nested lists, cost what their bytes cost. It pauses after every
 * few instructions.
 *
 * @param budget pays for every value
 * @param fail makes the error for instructions, globals and calls that are not on the lists, and for a pickle that is
 * none
 */
export function* unpickle(bytes: Buffer, budget: MemoryBudget, fail: Fail): Generator<void, Value> {
  const machine = new Machine(bytes, budget, fail);
  for (let steps = 1; machine.step(); steps++) if (steps % RUN === 0) yield;
  return machine.result();
}

class Machine {
  readonly #reader: ByteReader;
  readonly #budget: MemoryBudget;
  readonly #fail: Fail;
  readonly #stack: Value[] = [];
  /** Heights of the stack where marks are. */
  readonly #marks: number[] = [];
  readonly #memo: Value[] = [];

  constructor(bytes: Buffer, budget: MemoryBudget, fail: Fail) {
    this.#reader = new ByteReader(bytes, fail);
    this.#budget = budget;
    this.#fail = fail;
  }

  /** Carries out one instruction; false if it was the last. */
  step(): boolean {
    const opcode = this.#reader.byte();
    return opcode !== OP.STOP && this.#carryOut(opcode);
  }

  /** What is left when all is done. */
  result(): Value {
    if (this.#stack.length !== 1 || this.#marks.length !== 0) throw this.#fail('stops in the middle of something');
    return this.#stack[0];
  }

  /** True, as all methods that end an instruction, so that each case can be one line. */
  #carryOut(opcode: number): true {
    const reader = this.#reader;
    switch (opcode) {
      case OP.PROTO:
        if (reader.byte() > 5) throw this.#fail('is of a protocol beyond 5');
        return true;
      case OP.FRAME:
        reader.skip(8);
        return true;

      case OP.MARK:
        if (this.#marks.push(this.#stack.length) > MOST_STACK) throw this.#fail('nests deeper than any checkpoint');
        return true;
      case OP.POP:
        this.#pop();
        return true;
      case OP.POP_MARK:
        this.#popToMark();
        return true;

      case OP.NONE:
        return this.#push(null);
      case OP.NEWTRUE:
        return this.#push(true);
      case OP.NEWFALSE:
        return this.#push(false);
      case OP.BININT1:
        return this.#push(reader.byte());
      case OP.BININT2:
        return this.#push(reader.uint16());
      case OP.BININT:
        return this.#push(reader.int32());
      case OP.BINFLOAT:
        return this.#push(reader.float64());
      case OP.LONG1:
        return this.#push(integer(reader.bytes(reader.byte())));
      case OP.LONG4:
        return this.#push(integer(reader.bytes(reader.uint32())));

      case OP.SHORT_BINUNICODE:
      case OP.SHORT_BINSTRING:
        return this.#text(reader.bytes(reader.byte()));
      case OP.BINUNICODE:
      case OP.BINSTRING:
        return this.#text(reader.bytes(reader.uint32()));
      case OP.SHORT_BINBYTES:
        reader.skip(reader.byte());
        return this.#push(OPAQUE);
      case OP.BINBYTES:
        reader.skip(reader.uint32());
        return this.#push(OPAQUE);

      case OP.EMPTY_TUPLE:
        return this.#push(Sequence.empty);
      case OP.TUPLE1:
        return this.#tuple([this.#pop()]);
      case OP.TUPLE2:
        return this.#tuple(this.#popMany(2));
      case OP.TUPLE3:
        return this.#tuple(this.#popMany(3));
      case OP.TUPLE:
      case OP.FROZENSET:
        return this.#tuple(this.#popToMark());

      case OP.EMPTY_LIST:
      case OP.EMPTY_SET:
        return this.#push(new Sequence([], true), COST.list);
      case OP.APPEND:
        return this.#append(this.#pop());
      case OP.APPENDS:
      case OP.ADDITEMS:
        return this.#extend(this.#popToMark());

      case OP.EMPTY_DICT:
        return this.#push(new Dict(), COST.object);
      case OP.SETITEM:
        return this.#setItems(this.#popMany(2));
      case OP.SETITEMS:
        return this.#setItems(this.#popToMark());

      case OP.BINPUT:
        return this.#remember(reader.byte());
      case OP.LONG_BINPUT:
        return this.#remember(reader.uint32());
      case OP.MEMOIZE:
        return this.#remember(this.#memo.length);
      case OP.BINGET:
        return this.#recall(reader.byte());
      case OP.LONG_BINGET:
        return this.#recall(reader.uint32());

      case OP.GLOBAL:
        return this.#global([reader.line(MOST_TEXT), reader.line(MOST_TEXT)]);
      case OP.STACK_GLOBAL:
        return this.#global(this.#popMany(2));
      case OP.REDUCE:
      case OP.NEWOBJ: {
        const [callable, args] = this.#popMany(2);
        // Paid before it is made: the pairs of a dictionary may be a list that other calls have used.
        const [pairs] = args instanceof Sequence ? args.items.filter((item) => item instanceof Sequence) : [];
        this.#budget.spend(COST.call + (pairs?.items.length ?? 0) * COST.entry);
        return this.#push(call(callable, args, this.#fail));
      }
      case OP.BUILD:
        // Attributes of a dictionary or a parameter: of no use here.
        this.#pop();
        this.#top();
        return true;
      case OP.BINPERSID:
        return this.#push(storageOf(this.#pop(), this.#fail), COST.object);
    }
    throw this.#fail(`has the instruction 0x${opcode.toString(16).padStart(2, '0')}, which no state dict needs`);
  }

  #push(value: Value, cost = 0): true {
    if (this.#stack.length >= MOST_STACK) throw this.#fail('piles up more values than any checkpoint');
    if (cost > 0) this.#budget.spend(cost);
    this.#stack.push(value);
    return true;
  }

  #text(bytes: Buffer): true {
    const kept = bytes.length <= MOST_TEXT && isUtf8(bytes);
    return this.#push(kept ? bytes.toString('utf8') : OPAQUE, kept ? COST.text + 2 * bytes.length : 0);
  }

  #tuple(items: Value[]): true {
    return this.#push(new Sequence(items, false), COST.tuple + items.length * COST.item);
  }

  #append(item: Value): true {
    const target = this.#top();
    if (target === OPAQUE) return true;
    if (!(target instanceof Sequence) || !target.grows) throw this.#fail('appends to what is no list');
    // Lists matter only as the pairs that dictionaries are made of; one of a million losses is passed over.
    if (!(item instanceof Sequence)) return true;
    this.#budget.spend(COST.item);
    target.items.push(item);
    return true;
  }

  #extend(items: readonly Value[]): true {
    for (const item of items) this.#append(item);
    return true;
  }

  #setItems(items: readonly Value[]): true {
    const target = this.#top();
    if (target === OPAQUE) return true;
    if (!(target instanceof Dict) || items.length % 2 !== 0) throw this.#fail('sets entries of what is no dictionary');
    this.#budget.spend((items.length / 2) * COST.entry);
    for (let i = 0; i < items.length; i += 2) setItem(target, items[i], items[i + 1]);
    return true;
  }

  #global(parts: readonly Value[]): true {
    if (!parts.every((part) => typeof part === 'string')) throw this.#fail('names a global by what is no text');
    const name = parts.join('.');
    const meaning = meaningOf(name);
    if (meaning === undefined)
      throw this.#fail(`asks for ${quote(name)}, which is none of the things that state dicts are made of`);
    return this.#push(new Global(name, meaning), COST.object);
  }

  /** Picklers number what they remember from zero; in any other order it is no work of theirs. */
  #remember(index: number): true {
    const memo = this.#memo;
    if (index > memo.length) throw this.#fail(`remembers value ${count(index)} before value ${count(memo.length)}`);
    if (index === memo.length) this.#budget.spend(COST.memo);
    memo[index] = this.#top();
    return true;
  }

  #recall(index: number): true {
    if (index >= this.#memo.length) throw this.#fail(`recalls value ${count(index)}, which it has not remembered`);
    return this.#push(this.#memo[index]);
  }

  #top(): Value {
    if (this.#stack.length <= this.#floor()) throw this.#fail('uses a value where there is none');
    return this.#stack[this.#stack.length - 1];
  }

  #pop(): Value {
    const value = this.#top();
    this.#stack.pop();
    return value;
  }

  #popMany(values: number): Value[] {
    if (this.#stack.length < this.#floor() + values) throw this.#fail('uses values where there are none');
    return this.#stack.splice(this.#stack.length - values);
  }

  #popToMark(): Value[] {
    const mark = this.#marks.pop();
    if (mark === undefined) throw this.#fail('closes what it has not opened');
    return this.#stack.splice(mark);
  }

  /** What lies below the last mark is out of reach until the mark is gone. */
  #floor(): number {
    return this.#marks.length === 0 ? 0 : this.#marks[this.#marks.length - 1];
  }
}

/** A little-endian integer in two's complement; beyond 2^53 it is of no use here. */
function integer(bytes: Buffer): Value {
  if (bytes.length > 8) return OPAQUE;
  let value = 0n;
  for (const byte of bytes.toReversed()) value = (value << 8n) | BigInt(byte);
  const signed = Number(BigInt.asIntN(8 * bytes.length, value));
  return Number.isSafeInteger(signed) ? signed : OPAQUE;
}
