/*
 * Results are plain data: `structuredClone` takes them, and `JSON.stringify` writes what the command line prints. What
 * can be called on them is there all the same, and is not enumerated.
 */

type Contract<Result> = (result: Result) => unknown;

const contracts = new Map<string, Contract<never>>();

/** Says what results of a kind are as JSON; lib/report does, which knows the contracts. */
export function setContract<Result extends { readonly kind: string }>(
  kind: Result['kind'],
  asJson: Contract<Result>,
): void {
  contracts.set(kind, asJson);
}

/** A result with the JSON of its kind, and with methods that are no data. */
export function plainly<Result extends { readonly kind: string }, Methods extends object = object>(
  result: Result,
  methods?: Methods,
): Result & Methods {
  for (const [name, value] of Object.entries({ toJSON, ...methods }))
    Object.defineProperty(result, name, { value, configurable: true, writable: true });
  return result as Result & Methods;
}

function toJSON(this: { readonly kind: string }): unknown {
  const asJson = contracts.get(this.kind);
  return asJson === undefined ? { ...this } : asJson(this as never);
}
