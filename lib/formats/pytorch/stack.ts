import { count } from '../../words/counts.js';
import type { MemoryBudget } from '../budget.js';
import type { Fail } from './call.js';
import type { Recalled } from './recalled.js';
import { Dict, isReferable, Sequence, Text, type Value } from './values.js';

/** Values on the stack, or open marks, at a time. Python's pickler puts a thousand there before it gathers them. */
const MOST_STACK = 1 << 16;

/** What values cost in memory, in bytes, estimated on the high side; numbers cost what holds them. */
export const COST = {
  object: 64,
  tuple: 112,
  list: 256,
  call: 128,
  item: 24,
  kept: 48,
  entry: 112,
  memo: 48,
  text: 72,
} as const;

/** The stack of a pickle's machine, with its marks, and what it remembers. */
export class Stack {
  readonly #budget: MemoryBudget;
  readonly #fail: Fail;
  readonly #recalled: Recalled;
  readonly #values: Value[] = [];
  /** Heights of the stack where marks are. */
  readonly #marks: number[] = [];
  readonly #memo = new Map<number, Value>();
  /** How many values were remembered, whether they are kept or not. */
  #remembered = 0;

  constructor(budget: MemoryBudget, fail: Fail, recalled: Recalled) {
    this.#budget = budget;
    this.#fail = fail;
    this.#recalled = recalled;
  }

  /** What is left when all is done. */
  result(): Value {
    if (this.#values.length !== 1 || this.#marks.length !== 0) throw this.#fail('stops in the middle of something');
    return this.#values[0];
  }

  push(value: Value, cost = 0): true {
    if (this.#values.length >= MOST_STACK) throw this.#fail('piles up more values than any checkpoint');
    if (cost > 0) this.#budget.spend(cost);
    this.#values.push(value);
    return true;
  }

  mark(): true {
    if (this.#marks.push(this.#values.length) > MOST_STACK) throw this.#fail('nests deeper than any checkpoint');
    return true;
  }

  duplicate(): true {
    return this.push(this.#referred(this.top()));
  }

  top(): Value {
    if (this.#values.length <= this.#floor()) throw this.#fail('uses a value where there is none');
    return this.#values[this.#values.length - 1];
  }

  pop(): Value {
    const value = this.top();
    this.#values.pop();
    return value;
  }

  popMany(values: number): Value[] {
    if (this.#values.length < this.#floor() + values)
      throw this.#fail(values === 1 ? 'uses a value where there is none' : 'uses values where there are none');
    return this.#values.splice(this.#values.length - values);
  }

  popToMark(): Value[] {
    const mark = this.#marks.pop();
    if (mark === undefined) throw this.#fail('closes what it has not opened');
    return this.#values.splice(mark);
  }

  /**
   * Remembers what is on top, if it is ever recalled. Picklers number what they remember from zero; in any other order
   * it is no work of theirs.
   */
  remember(index = this.#remembered): true {
    const value = this.top();
    if (!(index <= this.#remembered))
      throw this.#fail(`remembers value ${count(index)} before value ${count(this.#remembered)}`);
    if (index === this.#remembered) this.#remembered++;
    if (!this.#recalled.has(index)) return true;
    if (!this.#memo.has(index)) this.#budget.spend(COST.memo);
    this.#memo.set(index, this.#referred(value));
    return true;
  }

  recall(index: number): true {
    const value = this.#memo.get(index);
    if (value === undefined) throw this.#fail(`recalls value ${count(index)}, which it has not remembered`);
    return this.push(value);
  }

  /** Gives back the memory of a text or tuple that was taken from the stack, if nothing else refers to it. */
  discard(value: Value): true {
    if (!isReferable(value) || value.referred || value === Sequence.empty) return true;
    if (value instanceof Text) this.#budget.spend(-COST.text);
    else if (value instanceof Sequence) this.#budget.spend(-COST.tuple - value.items.length * COST.item);
    return true;
  }

  /** The same for the arguments of a tensor, which keeps no dictionary of hooks. */
  discardTensorArguments(args: Value): true {
    const hooks = args instanceof Sequence && !args.referred ? args.items.filter((item) => item instanceof Dict) : [];
    for (const { referred, entries } of hooks) if (!referred && entries === undefined) this.#budget.spend(-COST.object);
    return this.discard(args);
  }

  #referred<Kind extends Value>(value: Kind): Kind {
    if (isReferable(value)) value.referred = true;
    return value;
  }

  /** What lies below the last mark is out of reach until the mark is gone. */
  #floor(): number {
    return this.#marks.length === 0 ? 0 : this.#marks[this.#marks.length - 1];
  }
}
