/*
 * Results are plain data: `structuredClone` takes them, and `JSON.stringify` writes what the command line prints. What
 * can be called on them is there all the same, and is not enumerated.
 */

type Contract<Result> = (result: Result) => unknown;

const contracts = new Map<string, Contract<never>>();

/** Says what results of a name are as JSON; lib/report does, which knows the contracts. */
export function setContract<Result>(name: string, asJson: Contract<Result>): void {
  contracts.set(name, asJson);
}

/** A result with the JSON of that name, and with methods that are no data. */
export function underContract<Result extends object, Methods extends object = object>(
  name: string,
  result: Result,
  methods?: Methods,
): Result & Methods {
  const toJSON = () => {
    const asJson = contracts.get(name);
    return asJson === undefined ? { ...result } : asJson(result as never);
  };
  for (const [key, value] of Object.entries({ toJSON, ...methods }))
    Object.defineProperty(result, key, { value, configurable: true, writable: true });
  return result as Result & Methods;
}
