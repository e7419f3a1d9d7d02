const UNITS = [
  [1, 's'],
  [1e-3, 'ms'],
  [1e-6, 'µs'],
] as const;

/** A time for people: `58.3 ms`. */
export function timeText(seconds: number): string {
  const [unit, name] = UNITS.find(([size]) => seconds >= size) ?? [1e-9, 'ns'];
  return `${(seconds / unit).toPrecision(3)} ${name}`;
}
