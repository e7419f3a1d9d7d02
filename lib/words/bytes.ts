const UNITS = ['', 'k', 'm', 'g', 't'];

/** Bytes from a size such as `256MiB`, `1.5GB` or a plain number; undefined for anything else. */
export function parseBytes(text: string): number | undefined {
  const [, amount, unit = '', binary] = /^(\d+(?:\.\d+)?)\s*(?:([kmgt]?)(i?)b)?$/i.exec(text) ?? [];
  const bytes = Math.floor(Number(amount) * (binary ? 1024 : 1000) ** UNITS.indexOf(unit.toLowerCase()));
  return bytes >= 1 ? bytes : undefined;
}
