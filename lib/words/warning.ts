type Hear = (text: string) => void;

const hearers = new Set<Hear>();

/**
 * Says what is worth knowing though nothing failed, in one sentence: to those who listen, or else as a warning of the
 * process, which Node prints and `process.on('warning', …)` hears (its name is `TensimWarning`).
 */
export function warn(text: string): void {
  if (hearers.size === 0) process.emitWarning(text, 'TensimWarning');
  for (const hear of hearers) hear(text);
}

/** Listens to warnings until the function that it returns is called. */
export function hearWarnings(hear: Hear): () => void {
  // Its own function each time: the same one may listen twice.
  const own: Hear = (text) => hear(text);
  hearers.add(own);
  return () => hearers.delete(own);
}
