import { CommanderError } from 'commander';
import { quotesEquation } from '../contraction/equation_error.js';
import { findingOf, TensimError } from '../errors.js';
import { oneLine } from '../words/quoting.js';
import { type Io, say } from './io.js';

/** What the process answers. */
export const EXIT = {
  done: 0,
  /** A check that the command was asked to make has failed. */
  checkFailed: 1,
  /** Bad usage or bad input. */
  badInput: 2,
  /** A model that is not supported. */
  unsupportedModel: 3,
  /** A gate that cannot tell: the interval of a sampled result has the limit in it. */
  undecided: 4,
  /** Stopped by Ctrl-C, as shells count it: 128 + SIGINT. */
  interrupted: 130,
} as const;

/**
 * Says on stderr what went wrong and returns the exit code: on one line, unless it quotes an equation, or says apart
 * why what was found is not taken. The environment variable TENSIM_DEBUG adds the stack.
 */
export function settle(error: unknown, io: Io): number {
  if (io.signal.aborted) return EXIT.interrupted;
  // Commander has already printed what it had to say, be it help or an error of usage.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.badInput;
  // The reader of stdout has seen enough: tensim matrix … | head
  if (isClosedPipe(error)) return EXIT.done;
  const lines = linesOf(error, io.stderr.isTTY === true);
  say(io, `tensim: ${lines.map(oneLine).join('\n')}\n`);
  if (io.env.TENSIM_DEBUG && error instanceof Error) say(io, `${stackText(error)}\n`);
  return error instanceof TensimError && error.code === 'UNSUPPORTED_LAYER' ? EXIT.unsupportedModel : EXIT.badInput;
}

/** Whether a write failed because nobody reads any more. */
export function isClosedPipe(error: unknown): boolean {
  return (error as NodeJS.ErrnoException)?.code === 'EPIPE';
}

/** The stack of an error, its message on one line: a line break in a name is no line of the stack. */
function stackText({ name, message, stack = '' }: Error): string {
  const at = stack.indexOf(message);
  if (at < 0) return oneLine(stack || `${name}: ${message}`);
  const frames = stack.slice(at + message.length).split('\n');
  return [oneLine(stack.slice(0, at + message.length)) + oneLine(frames[0]), ...frames.slice(1).map(oneLine)].join(
    '\n',
  );
}

/** What was found, why it is not taken and what helps, each on a line of its own; without reasons all on one. */
function linesOf(error: unknown, onTerminal: boolean): string[] {
  if (!(error instanceof TensimError)) return [messageOf(error)];
  // Errors of an equation mark a place in it with a second and a third line; in others a line break is part of a name.
  if (quotesEquation(error)) return error.message.split('\n');
  const { reason, hint } = error;
  if (reason === undefined && !onTerminal) return [error.message];
  return [
    findingOf(error),
    ...(reason === undefined ? [] : [`  why: ${reason}`]),
    ...(hint === undefined ? [] : [`  next: ${hint}`]),
  ];
}

/** What went wrong, for people. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return `unexpected error: ${String(error)}`;
  // Errors of the system (no space left, permission denied) are clear as they are; any other is a fault of ours.
  if (error instanceof TensimError || 'syscall' in error) return error.message;
  return `unexpected error: ${error.name}: ${error.message}. Set TENSIM_DEBUG=1 to see where, and report it`;
}
