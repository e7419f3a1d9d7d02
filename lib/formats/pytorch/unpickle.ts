import type { MemoryBudget } from '../budget.js';
import { ByteReader } from './byte_reader.js';
import { call, type Fail, globalOf, made, pairsIn, setState, storageOf } from './call.js';
import { extend, setItems, type UnpickleOptions } from './containers.js';
import { floatLine, integer, integerLine, quotedLine, unicodeLine } from './literals.js';
import { OP } from './opcodes.js';
import { findRecalled, RUN } from './recalled.js';
import { COST, Stack } from './stack.js';
import { Bytes, Dict, Global, List, Made, OPAQUE, PickledTensor, Sequence, Text, type Value } from './values.js';

/**
 * Reads a pickle without carrying out anything it asks for: a machine of its own that knows the instructions
 * (opcodes.ts) and the names that state dicts are made of (globals.ts); what all other names make is opaque. Its values
 * are plain data. They are never walked through here, so that tuples of tuples of the same tuples, and a million nested
 * lists, cost what their bytes cost. It pauses after every few instructions.
 *
 * @param budget pays for every value
 * @param fail makes the error for a pickle that is none
 */
export function* unpickle(
  bytes: Buffer,
  budget: MemoryBudget,
  fail: Fail,
  options: UnpickleOptions = {},
): Generator<void, Value> {
  const stack = new Stack(budget, fail, yield* findRecalled(bytes, fail));
  const machine = new Machine(bytes, stack, budget, fail, options);
  for (let steps = 1; machine.step(); steps++) if (steps % RUN === 0) yield;
  return stack.result();
}

class Machine {
  readonly #bytes: Buffer;
  readonly #reader: ByteReader;
  readonly #stack: Stack;
  readonly #budget: MemoryBudget;
  readonly #fail: Fail;
  readonly #options: UnpickleOptions;

  constructor(bytes: Buffer, stack: Stack, budget: MemoryBudget, fail: Fail, options: UnpickleOptions) {
    this.#bytes = bytes;
    this.#reader = new ByteReader(bytes, fail);
    this.#stack = stack;
    this.#budget = budget;
    this.#fail = fail;
    this.#options = options;
  }

  /** Carries out one instruction; false if it was the last. */
  step(): boolean {
    const opcode = this.#reader.byte();
    return opcode !== OP.STOP && this.#carryOut(opcode);
  }

  /** True, as all methods that end an instruction, so that each case can be one line. */
  #carryOut(opcode: number): true {
    const [reader, stack] = [this.#reader, this.#stack];
    switch (opcode) {
      case OP.PROTO:
        if (reader.byte() > 5) throw this.#fail('is of a protocol beyond 5');
        return true;
      case OP.FRAME:
        reader.span(8);
        return true;

      case OP.MARK:
        return stack.mark();
      case OP.POP:
        stack.pop();
        return true;
      case OP.POP_MARK:
        stack.popToMark();
        return true;
      case OP.DUP:
        return stack.duplicate();

      case OP.NONE:
        return stack.push(null);
      case OP.NEWTRUE:
        return stack.push(true);
      case OP.NEWFALSE:
        return stack.push(false);
      case OP.BININT1:
        return stack.push(reader.byte());
      case OP.BININT2:
        return stack.push(reader.uint16());
      case OP.BININT:
        return stack.push(reader.int32());
      case OP.BINFLOAT:
        return stack.push(reader.float64());
      case OP.LONG1:
        return stack.push(integer(reader.bytes(reader.byte())));
      case OP.LONG4:
        return stack.push(integer(reader.bytes(reader.uint32())));
      case OP.INT:
      case OP.LONG:
        return stack.push(integerLine(reader.line(), this.#fail));
      case OP.FLOAT:
        return stack.push(floatLine(reader.line(), this.#fail));

      case OP.SHORT_BINUNICODE:
      case OP.SHORT_BINSTRING:
        return this.#text(reader.byte());
      case OP.BINUNICODE:
      case OP.BINSTRING:
        return this.#text(reader.uint32());
      case OP.BINUNICODE8:
        return this.#text(reader.uint64());
      case OP.STRING:
        return this.#line((line) => quotedLine(line, this.#fail));
      case OP.UNICODE:
        return this.#line(unicodeLine);
      case OP.SHORT_BINBYTES:
        return this.#rawBytes(reader.byte());
      case OP.BINBYTES:
        return this.#rawBytes(reader.uint32());
      case OP.BINBYTES8:
      case OP.BYTEARRAY8:
        return this.#rawBytes(reader.uint64());
      // Buffers that are handed over beside the pickle are in no file.
      case OP.NEXT_BUFFER:
        return stack.push(OPAQUE);
      case OP.READONLY_BUFFER:
        stack.top();
        return true;

      case OP.EMPTY_TUPLE:
        return stack.push(Sequence.empty);
      case OP.TUPLE1:
        return this.#tuple(stack.popMany(1));
      case OP.TUPLE2:
        return this.#tuple(stack.popMany(2));
      case OP.TUPLE3:
        return this.#tuple(stack.popMany(3));
      case OP.TUPLE:
      case OP.FROZENSET:
        return this.#tuple(stack.popToMark());

      case OP.EMPTY_LIST:
      case OP.EMPTY_SET:
        return stack.push(new List(), COST.list);
      case OP.LIST: {
        const items = stack.popToMark();
        stack.push(new List(), COST.list);
        return this.#extend(items);
      }
      case OP.APPEND:
        return this.#extend(stack.popMany(1));
      case OP.APPENDS:
      case OP.ADDITEMS:
        return this.#extend(stack.popToMark());

      case OP.EMPTY_DICT:
        return stack.push(new Dict(), COST.object);
      case OP.DICT: {
        const items = stack.popToMark();
        stack.push(new Dict(), COST.object);
        return this.#setItems(items);
      }
      case OP.SETITEM:
        return this.#setItems(stack.popMany(2));
      case OP.SETITEMS:
        return this.#setItems(stack.popToMark());

      case OP.PUT:
        return stack.remember(Number(reader.line()));
      case OP.BINPUT:
        return stack.remember(reader.byte());
      case OP.LONG_BINPUT:
        return stack.remember(reader.uint32());
      case OP.MEMOIZE:
        return stack.remember();
      case OP.GET:
        return stack.recall(Number(reader.line()));
      case OP.BINGET:
        return stack.recall(reader.byte());
      case OP.LONG_BINGET:
        return stack.recall(reader.uint32());

      case OP.GLOBAL:
        return this.#global(reader.line(), reader.line());
      case OP.STACK_GLOBAL: {
        const [module, name] = stack.popMany(2).map((part) => (part instanceof Text ? part.value : undefined));
        if (module === undefined || name === undefined) throw this.#fail('names a global by what is no text');
        return this.#global(module, name);
      }
      // Programs agree on such numbers among themselves.
      case OP.EXT1:
        return this.#extension(reader.byte());
      case OP.EXT2:
        return this.#extension(reader.uint16());
      case OP.EXT4:
        return this.#extension(reader.int32());

      case OP.REDUCE:
      case OP.NEWOBJ: {
        const [callable, args] = stack.popMany(2);
        return this.#call(callable, args);
      }
      case OP.NEWOBJ_EX: {
        const [callable, args, named] = stack.popMany(3);
        return named instanceof Dict && named.entries === undefined
          ? this.#call(callable, args)
          : this.#make(callable, args instanceof Sequence ? args.items : []);
      }
      case OP.OBJ: {
        const [callable, ...args] = stack.popToMark();
        if (callable === undefined) throw this.#fail('makes an instance of nothing');
        return this.#call(callable, new Sequence(args));
      }
      case OP.INST: {
        const callable = globalOf(reader.line(), reader.line());
        return this.#call(callable, new Sequence(stack.popToMark()));
      }
      case OP.BUILD: {
        const state = stack.pop();
        setState(stack.top(), state);
        return true;
      }

      case OP.PERSID:
        reader.lineSpan();
        return stack.push(new Made('a persistent id'), COST.object);
      case OP.BINPERSID: {
        const id = stack.pop();
        this.#options.note?.(id);
        stack.push(storageOf(id), COST.object);
        return stack.discard(id);
      }
    }
    throw this.#fail(`has the instruction 0x${opcode.toString(16).padStart(2, '0')}, which is none of a pickle`);
  }

  #text(length: number): true {
    const { at } = this.#reader.span(length);
    return this.#stack.push(new Text(this.#bytes, at, length), COST.text);
  }

  /** A text of a line has its own bytes, because those in the pickle are written otherwise. */
  #line(decode: (line: string) => Buffer): true {
    const { at, length } = this.#reader.lineSpan();
    this.#budget.spend(4 * length);
    const bytes = decode(this.#bytes.toString('latin1', at, at + length));
    return this.#stack.push(new Text(bytes, 0, bytes.length), COST.text + COST.call);
  }

  #rawBytes(length: number): true {
    const { at } = this.#reader.span(length);
    return this.#stack.push(new Bytes(this.#bytes, at, length, false), COST.text);
  }

  #tuple(items: readonly Value[]): true {
    return this.#stack.push(new Sequence(items), COST.tuple + items.length * COST.item);
  }

  #extend(items: readonly Value[]): true {
    return extend(this.#stack, items, this.#budget, this.#fail, this.#options.mostTexts);
  }

  #setItems(items: readonly Value[]): true {
    return setItems(this.#stack, items, this.#budget, this.#fail);
  }

  #global(module: string, name: string): true {
    return this.#stack.push(globalOf(module, name), COST.object);
  }

  #extension(code: number): true {
    return this.#stack.push(new Global(`extension ${code}`, undefined), COST.object);
  }

  #call(callable: Value, args: Value): true {
    // Paid before it is made: the pairs of a dictionary may be a list that other calls have used.
    const isDict = callable instanceof Global && callable.meaning?.kind === 'dict';
    const pairs = isDict && args instanceof Sequence ? pairsIn(args.items).length : 0;
    this.#budget.spend(COST.call + pairs * COST.entry);
    const result = call(callable, args, this.#fail);
    this.#stack.push(result);
    // A tensor is new, and made of plain numbers: nobody else has what is given back here.
    return result instanceof PickledTensor && callable instanceof Global && callable.meaning?.kind === 'tensor'
      ? this.#stack.discardTensorArguments(args)
      : this.#stack.discard(args);
  }

  #make(callable: Value, args: readonly Value[]): true {
    const by = callable instanceof Global ? callable.name : callable instanceof Made ? callable.by : 'something';
    return this.#stack.push(made(by, args), COST.call);
  }
}
