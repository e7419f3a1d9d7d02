/** First bytes of files of other kinds, and what to do with them. */
const SIGNS: readonly (readonly [magic: string, hint: string])[] = [
  ['version ', 'This is a Git LFS pointer, not the file itself: run "git lfs pull"'],
  ['PK\x03\x04', 'This looks like a PyTorch or NumPy archive: give it the ending .pt or .npz'],
  [
    '\x80\x02',
    'This looks like a pickled PyTorch checkpoint: give it the ending .pt, and you will be told how to convert it',
  ],
  ['\x93NUMPY', 'This looks like a NumPy array: give it the ending .npy'],
  ['\x89HDF', 'This looks like an HDF5 file: save it with safetensors first'],
  ['GGUF', 'This looks like a GGUF file: give it the ending .gguf'],
  ['{', 'This looks like JSON: the index of a sharded checkpoint must have a name that ends in .json'],
  ['<', 'This looks like a web page: the download probably brought an error page or a login form instead'],
];

/**
 * What a file that begins with these bytes is often mistaken for something else, and what helps; undefined for all
 * others.
 */
export function lookAlike(start: Uint8Array): string | undefined {
  const text = Buffer.from(start).toString('latin1');
  // A safetensors file begins with the length of its header, and that with a brace.
  if (text.startsWith('\0\0\0{', 5)) return 'This looks like a safetensors file: give it the ending .safetensors';
  // Texts may begin with a mark of their encoding, and with blank lines.
  const plain = text.replace(/^(?:\xef\xbb\xbf)?\s*/, '');
  return SIGNS.find(([magic]) => text.startsWith(magic) || plain.startsWith(magic))?.[1];
}
