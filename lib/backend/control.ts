/** How running work is steered and watched. Every field is optional. */
export interface Control {
  /** Aborting rejects the call with `signal.reason` within one tile. */
  readonly signal?: AbortSignal | undefined;
  /** Worker threads; default: as many as the process may use. Results do not depend on it. */
  readonly threads?: number | undefined;
  /** Called with units of work done and in all, at most 20 times a second. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}
