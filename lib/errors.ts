/**
 * Stable, documented error codes. A code never changes its meaning; messages may.
 *
 * | code | meaning |
 * |---|---|
 * | `INVALID_ARGUMENT` | an argument or option that can never be right |
 * | `INVALID_EQUATION` | a contraction that is not an equation: a stray character, an unknown output label, an ellipsis out of place |
 * | `FILE_NOT_FOUND` | a path that names nothing readable |
 * | `INVALID_FILE` | a file that is not what it claims to be: damaged, truncated, malformed, hostile |
 * | `FILE_CHANGED` | a file that was written to, replaced or removed while it was read, so that no state of it was read whole |
 * | `UNSUPPORTED_DTYPE` | a tensor whose element type cannot be used as a weight |
 * | `UNSUPPORTED_LAYER` | a model that is not (or not yet) a chain tensim can compare, or not by the method asked for |
 * | `SHAPE_MISMATCH` | tensors, models or inputs whose sizes do not fit together |
 * | `NOT_FINITE` | NaN or infinity where a number is needed, or a result beyond the floating-point range |
 * | `ZERO_NORM` | a model that is zero under the measure, so that its similarity is undefined |
 * | `INVALID_COVARIANCE` | a covariance that is not symmetric or not positive semi-definite |
 * | `MEMORY_LIMIT` | the work cannot be done within the memory allowed |
 * | `PRECISION` | a result that numbers of this type are too coarse for |
 * | `BACKEND_UNAVAILABLE` | a backend was asked for by name and is not there |
 * | `QUEUE_UNAVAILABLE` | the queue that workers take tiles from cannot be reached, does not let us in, or its client is not installed |
 * | `WORKER_FAILED` | a tile that workers have died over, or that none of them can compute |
 * | `INTERNAL` | a mistake of tensim itself, met in native code: worth a report |
 */
export type TensimErrorCode =
  | 'INVALID_ARGUMENT'
  | 'INVALID_EQUATION'
  | 'FILE_NOT_FOUND'
  | 'INVALID_FILE'
  | 'FILE_CHANGED'
  | 'UNSUPPORTED_DTYPE'
  | 'UNSUPPORTED_LAYER'
  | 'SHAPE_MISMATCH'
  | 'NOT_FINITE'
  | 'ZERO_NORM'
  | 'INVALID_COVARIANCE'
  | 'MEMORY_LIMIT'
  | 'PRECISION'
  | 'BACKEND_UNAVAILABLE'
  | 'QUEUE_UNAVAILABLE'
  | 'WORKER_FAILED'
  | 'INTERNAL';

/** Where an error was found, and what would help. Every field is optional; the message already names them. */
export interface TensimErrorDetails {
  /** Path of the file, as the caller gave it. */
  readonly file?: string;
  /** Name of the tensor in that file. */
  readonly tensor?: string;
  /** Why what was found is not taken, in one clause. */
  readonly reason?: string;
  /** What would help, in one sentence. */
  readonly hint?: string;
  /** The error behind this one. */
  readonly cause?: unknown;
}

/** The same for every copy of the class: for the one that `import` gives, that of `require`, and one inside a bundle. */
const BRAND = Symbol.for('tensim.TensimError');

/**
 * The one error class of the package. `code` is stable; `message` names the file and the tensor where there are such,
 * and ends with what would help.
 */
export class TensimError extends Error {
  /** What stands before the message in a stack trace. */
  override readonly name = 'TensimError';
  /** Which kind of error; what a program should branch on. */
  readonly code: TensimErrorCode;
  // Only declared: a field would be there as `undefined` on every error, in what is logged of it and in `'file' in
  // error`.
  /** Path of the file it is about, where there is one. */
  declare readonly file?: string;
  /** Name of the tensor it is about, where there is one. */
  declare readonly tensor?: string;
  /** Why what was found is not taken, where that is said apart; also in the message. */
  declare readonly reason?: string;
  /** What would help, where that is known; also the end of the message. */
  declare readonly hint?: string;

  constructor(code: TensimErrorCode, message: string, details: TensimErrorDetails = {}) {
    const place = [details.file, details.tensor === undefined ? undefined : `tensor "${details.tensor}"`]
      .filter((part) => part !== undefined)
      .join(': ');
    const text = place === '' ? message : `${place}: ${message}`;
    const found = details.reason === undefined ? text : `${text}; ${details.reason}`;
    super(
      details.hint === undefined ? found : `${found}. ${details.hint}`,
      details.cause === undefined ? undefined : { cause: details.cause },
    );
    this.code = code;
    if (details.file !== undefined) this.file = details.file;
    if (details.tensor !== undefined) this.tensor = details.tensor;
    if (details.reason !== undefined) this.reason = details.reason;
    if (details.hint !== undefined) this.hint = details.hint;
  }
}

Object.defineProperty(TensimError.prototype, BRAND, { value: true });
Object.defineProperty(TensimError, Symbol.hasInstance, { value: isInstance });

/** What `instanceof` asks: of this class the brand; a class that extends it has none of its own. */
function isInstance(this: unknown, value: unknown): boolean {
  if (this !== TensimError) return Function.prototype[Symbol.hasInstance].call(this as () => void, value);
  return typeof value === 'object' && value !== null && BRAND in value;
}

/** The message of an error without its reason and its hint: the place, and what was found there. */
export function findingOf({ message, reason, hint }: TensimError): string {
  const rest = `${reason === undefined ? '' : `; ${reason}`}${hint === undefined ? '' : `. ${hint}`}`;
  return rest !== '' && message.endsWith(rest) ? message.slice(0, -rest.length) : message;
}
