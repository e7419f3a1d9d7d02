import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Pacer, throttle, unhurried } from '../lib/cooperate.js';

/** A clock that stands still unless told to move. */
function handClock() {
  let time = 1000;
  let looks = 0;
  return {
    now: () => {
      looks++;
      return time;
    },
    pass: (ms: number) => {
      time += ms;
    },
    looks: () => looks,
  };
}

describe('a pacer', () => {
  it('gives way at its first look at the clock, whatever ran before in this turn', () => {
    const pacer = new Pacer(undefined, handClock().now);
    expect(pacer.due(1)).toBe(false);
    expect(pacer.due(1e6)).toBe(true);
  });

  it('is due within 8 ms of work after a pause, however small the pieces', async () => {
    for (const pieces of [1, 10, 1000]) {
      const clock = handClock();
      const pacer = new Pacer(undefined, clock.now);
      await pacer.pause();
      // Work at one multiply-add per nanosecond, slower than any machine at hand.
      const work = 1_000_000 / pieces;
      let elapsed = 0;
      do {
        clock.pass(work / 1e6);
        elapsed += work / 1e6;
      } while (!pacer.due(work));
      expect(elapsed).toBeLessThanOrEqual(8);
      expect(elapsed).toBeGreaterThan(1);
    }
  });

  it('looks at the clock once in many small pieces of work', () => {
    const clock = handClock();
    const pacer = new Pacer(undefined, clock.now);
    for (let i = 0; i < 100_000; i++) pacer.due(16);
    expect(clock.looks()).toBeLessThan(200);
  });

  it('begins a new slice after every pause', async () => {
    const clock = handClock();
    const pacer = new Pacer(undefined, clock.now);
    for (let slice = 0; slice < 3; slice++) {
      await pacer.pause();
      expect(pacer.due(1e9)).toBe(false);
      clock.pass(100);
      expect(pacer.due(1e9)).toBe(true);
    }
  });

  it('lets waiting callbacks run in a pause', async () => {
    let ran = false;
    setImmediate(() => {
      ran = true;
    });
    await new Pacer().pause();
    expect(ran).toBe(true);
  });

  it('throws the reason of an abort, before work and in a pause', async () => {
    expect(() => new Pacer(AbortSignal.abort('early'))).toThrow('early');
    const controller = new AbortController();
    const pacer = new Pacer(controller.signal);
    await pacer.pause();
    nextTurn().then(() => controller.abort('late'));
    await nextTurn();
    await expect(pacer.pause()).rejects.toBe('late');
  });
});

describe('a computation that yields', () => {
  it('is run to its end, with turns of the event loop in between, and tells what it yields', async () => {
    const clock = handClock();
    const pacer = new Pacer(undefined, clock.now);
    let turns = 0;
    let running = true;
    const turn = () => {
      turns++;
      if (running) setImmediate(turn);
    };
    setImmediate(turn);
    const steps: string[] = [];
    const work = (function* () {
      for (let i = 0; i < 10; i++) {
        clock.pass(3);
        yield `step ${i}`;
      }
      return 'end';
    })();
    expect(await pacer.run(work, (step) => steps.push(step))).toBe('end');
    running = false;
    expect(steps).toEqual(Array.from({ length: 10 }, (_, i) => `step ${i}`));
    // At the first look, and then when more than 4 ms have gone: after every second step of 3 ms.
    expect(turns).toBe(5);
  });

  it('stops where it may pause when it is aborted', async () => {
    const controller = new AbortController();
    let steps = 0;
    const work = (function* () {
      for (;;) {
        steps++;
        if (steps === 3) controller.abort('enough');
        const start = performance.now();
        while (performance.now() - start < 5);
        yield;
      }
    })();
    await expect(unhurried(work, controller.signal)).rejects.toBe('enough');
    expect(steps).toBe(3);
  });
});

describe('throttled progress', () => {
  it('of work of a moment is its end, where that is asked for', () => {
    const clock = handClock();
    const seen: number[] = [];
    const report = throttle((done) => seen.push(done), clock.now, clock.now());
    for (let done = 1; done <= 5; done++) {
      clock.pass(3);
      report(done, 5);
    }
    expect(seen).toEqual([5]);
  });

  it('comes at most 20 times in any second, and its end always', () => {
    const clock = handClock();
    const times: number[] = [];
    const seen: number[] = [];
    const report = throttle((done) => {
      times.push(clock.now());
      seen.push(done);
    }, clock.now);
    for (let done = 1; done <= 1000; done++) {
      clock.pass(3);
      report(done, 1000);
    }
    expect(seen.at(-1)).toBe(1000);
    expect(seen.length).toBeGreaterThan(40);
    for (const start of times) {
      expect(times.filter((time) => time >= start && time < start + 1000).length).toBeLessThanOrEqual(20);
    }
  });
});
