const PREFIXES = ['', 'k', 'm', 'g', 't'];
const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'] as const;

/** Bytes from a size such as `256MiB`, `1.5GB` or a plain number; undefined for anything else. */
export function parseBytes(text: string): number | undefined {
  const [, amount, prefix = '', binary] = /^(\d+(?:\.\d+)?)\s*(?:([kmgt]?)(i?)b)?$/i.exec(text) ?? [];
  const bytes = Math.floor(Number(amount) * (binary ? 1024 : 1000) ** PREFIXES.indexOf(prefix.toLowerCase()));
  return bytes >= 1 ? bytes : undefined;
}

/** A number of bytes for people: `1.50 GiB`. */
export function bytesText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return unit === 0 ? `${value} B` : `${value.toPrecision(3)} ${UNITS[unit]}`;
}

/** A number of bytes in a unit of the writer's choice, to compare with another in it: `1.5` of `GiB`. */
export function bytesIn(unit: (typeof UNITS)[number], bytes: number): string {
  return (bytes / 1024 ** UNITS.indexOf(unit)).toFixed(1);
}
