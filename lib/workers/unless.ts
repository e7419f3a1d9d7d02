/** What a promise comes to; undefined as soon as the signal is aborted. */
export async function unless<Value>(signal: AbortSignal, promise: Promise<Value>): Promise<Value | undefined> {
  if (signal.aborted) return undefined;
  let stop = () => {};
  const aborted = new Promise<undefined>((resolve) => {
    stop = () => resolve(undefined);
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
    promise.catch(() => {});
  }
}
