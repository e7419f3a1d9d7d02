import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openCheckpoint } from '../../lib/formats/checkpoint.js';
import { loadModel } from '../../lib/model/reading/load.js';
import { zip } from '../support/zip.js';
import { fileIn, rejection, temporaryFolder } from './safetensors/helpers.js';

const folder = temporaryFolder();
const start = (text: string) => Buffer.from(text.padEnd(300, '\0'), 'latin1');
const keras = zip([
  { name: 'metadata.json', data: Buffer.from('{}') },
  { name: 'config.json', data: Buffer.from('{}') },
  { name: 'model.weights.h5', data: start('\x89HDF\r\n\x1a\n') },
]);

test.each<[string, string, Uint8Array, RegExp]>([
  ['Keras in HDF5', 'net.h5', start('\x89HDF\r\n\x1a\n'), /HDF5.*load_model\("net\.h5"\)\.export\(/s],
  ['the same under another ending', 'net.pt', start('\x89HDF\r\n\x1a\n'), /HDF5.*load_model\("net\.pt"\)/s],
  ['an archive of Keras', 'net.keras', keras, /model of Keras.*load_model\("net\.keras"\)/s],
  ['the same under another ending', 'net.npz', keras, /model of Keras/],
  ['a SavedModel', 'saved_model.pb', start('\x08\x01\x12\x20\x0a'), /SavedModel.*tf2onnx/s],
  ['TensorFlow Lite', 'net.tflite', start('\x1c\0\0\0TFL3'), /TensorFlow Lite.*--tflite net\.tflite/s],
  ['Core ML', 'net.mlmodel', start('\x08\x04\x12\x20\x0a\x06'), /Core ML.*ONNX/s],
])('%s is told and refused', async (_, name, bytes, message) => {
  const path = fileIn(folder, name, bytes);
  const error = await rejection(openCheckpoint(path));
  expect(error).toMatchObject({ code: 'INVALID_FILE', file: path });
  expect(error.message).toMatch(message);
});

test('a folder that is a SavedModel is told as one', async () => {
  const saved = join(folder, 'saved');
  mkdirSync(saved);
  fileIn(saved, 'saved_model.pb', start('\x08\x01'));
  expect((await rejection(loadModel(saved))).message).toMatch(/SavedModel.*tf2onnx/s);
});
