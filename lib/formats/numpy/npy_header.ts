/** Start of the data is a multiple of this, so that NumPy can map the file into memory. */
const ALIGNMENT = 64;

/** The header of an .npy file of version 1, C order. Made without anything of Node's: pages write such files too. */
export function npyHeader(descr: string, shape: readonly number[]): Uint8Array<ArrayBuffer> {
  const magic = [0x93, ...new TextEncoder().encode('NUMPY'), 1, 0];
  const tuple = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const description = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${tuple}), }`;
  const unpadded = magic.length + 2 + description.length + 1;
  const text = `${description}${' '.repeat((ALIGNMENT - (unpadded % ALIGNMENT)) % ALIGNMENT)}\n`;
  return Uint8Array.from([...magic, text.length % 256, text.length >> 8, ...new TextEncoder().encode(text)]);
}
