// What a library for macOS asks of the machine that loads it, from its load commands (mach-o/loader.h, mach-o/nlist.h)
// and its signature (kern/cs_blobs.h).

import { createHash } from 'node:crypto';

const MAGIC_64 = 0xfeedfacf;
const PROCESSORS = { 16777223: 'x64', 16777228: 'arm64' };
const SYMTAB = 0x2;
const LOAD_DYLIB = 0xc;
const ID_DYLIB = 0xd;
const LOAD_WEAK_DYLIB = 0x80000018;
const CODE_SIGNATURE = 0x1d;
const RPATH = 0x8000001c;
const BUILD_VERSION = 0x32;
/** Of an entry of the symbol table: debugger's, kind, external; and whose symbols an undefined one is among. */
const N_STAB = 0xe0;
const N_TYPE = 0x0e;
const N_EXT = 0x01;
const NO_LIBRARY = [0, 0xfe, 0xff]; // as Zig says, as ld does, and the program itself

/**
 * @param bytes the whole file, a Buffer
 * @returns {{
 *   processor: string | undefined, oldest: string | undefined, libraries: string[], folders: string[],
 *   signed: boolean, fromHost: string[],
 * }} the oldest macOS that takes it; the libraries that must be there; folders of the machine that it was built on, its
 * own name among them; whether it is signed as it is; the symbols that are looked for in whatever is loaded
 */
export function readMachO(bytes) {
  if (bytes.length < 32 || bytes.readUInt32LE(0) !== MAGIC_64) throw new Error('not a 64-bit Mach-O file');
  const found = {
    processor: PROCESSORS[bytes.readUInt32LE(4)],
    oldest: undefined,
    libraries: [],
    folders: [],
    signed: false,
    fromHost: [],
  };
  let at = 32;
  for (let left = bytes.readUInt32LE(16); left > 0; left--) {
    const [command, size] = [bytes.readUInt32LE(at), bytes.readUInt32LE(at + 4)];
    if (size < 8 || at + size > bytes.length) throw new Error('a load command reaches beyond the file');
    const body = bytes.subarray(at, at + size);
    // The name lies within the command, at an offset that it tells.
    const name = () => textAt(body, body.readUInt32LE(8));
    if (command === LOAD_DYLIB || command === LOAD_WEAK_DYLIB) found.libraries.push(name());
    if ((command === ID_DYLIB || command === RPATH) && !name().startsWith('@')) found.folders.push(name());
    if (command === BUILD_VERSION) found.oldest = `${body.readUInt16LE(14)}.${body.readUInt8(13)}`;
    if (command === CODE_SIGNATURE) found.signed = isSigned(bytes, body.readUInt32LE(8));
    if (command === SYMTAB) found.fromHost = lookedUp(bytes, body);
    at += size;
  }
  return found;
}

function lookedUp(bytes, symtab) {
  const [first, count, strings] = [8, 12, 16].map((at) => symtab.readUInt32LE(at));
  const names = [];
  for (let i = 0; i < count; i++) {
    const entry = first + 16 * i;
    const type = bytes.readUInt8(entry + 4);
    const undefined_ = (type & N_STAB) === 0 && (type & N_TYPE) === 0 && (type & N_EXT) !== 0;
    if (undefined_ && NO_LIBRARY.includes(bytes.readUInt8(entry + 7)))
      names.push(textAt(bytes, strings + bytes.readUInt32LE(entry)));
  }
  return names;
}

/** Whether the signature at `offset` holds the hashes of the pages. Its numbers begin with the high byte. */
function isSigned(bytes, offset) {
  const signature = bytes.subarray(offset);
  const parts = Array.from({ length: signature.readUInt32BE(8) }, (_, i) => signature.subarray(12 + 8 * i));
  const first = parts.find((part) => part.readUInt32BE(0) === 0);
  if (signature.readUInt32BE(0) !== 0xfade0cc0 || first === undefined) return false;
  const directory = signature.subarray(first.readUInt32BE(4));
  const [hashes, count, end] = [16, 28, 32].map((at) => directory.readUInt32BE(at));
  const page = 2 ** directory.readUInt8(39);
  if (directory.readUInt8(37) !== 2 || count !== Math.ceil(end / page) || end !== offset) return false; // 2: SHA-256
  for (let i = 0; i < count; i++) {
    const hash = createHash('sha256')
      .update(bytes.subarray(i * page, Math.min((i + 1) * page, end)))
      .digest();
    if (!hash.equals(directory.subarray(hashes + 32 * i, hashes + 32 * (i + 1)))) return false;
  }
  return true;
}

function textAt(bytes, at) {
  const end = bytes.indexOf(0, at);
  return bytes.toString('latin1', at, end < 0 ? bytes.length : end);
}
