'use strict';
// Answers what binding.gyp and CMakeLists.txt cannot find out by themselves. CommonJS, because gyp calls it with `node`
// from an unknown place and reads what it prints, one item per line.
//
//   native-sources.cjs sources|addon                      files of the manifest, for every architecture
//   native-sources.cjs isa NAME sources|flags|msvcFlags   one instruction set of the manifest
//   native-sources.cjs defines ARCH                       TENSIM_HAVE_… of every instruction set of ARCH that all compilers
//                                                         know: gyp cannot ask them
//   native-sources.cjs node-api                           NODE_API(name) for every function of the version that is used
//   native-sources.cjs include-dirs                       the folders of the Node-API headers

const { dirname } = require('node:path');
const manifest = require('../native/sources.json');

function answer(question, ...words) {
  switch (question) {
    case 'sources':
    case 'addon':
      return manifest[question];
    case 'isa':
      return manifest.isa[words[0]][words[1]];
    case 'defines':
      return Object.values(manifest.isa)
        .filter((isa) => isa.arch === words[0] && !isa.optional)
        .map((isa) => isa.define);
    case 'node-api': {
      const { js_native_api_symbols, node_api_symbols } = require('node-api-headers').symbols.v8;
      return [...js_native_api_symbols, ...node_api_symbols].map((name) => `NODE_API(${name})`);
    }
    case 'include-dirs':
      return [require('node-api-headers').include_dir, dirname(require.resolve('node-addon-api/package.json'))];
    default:
      throw new Error(`unknown question "${question}"`);
  }
}

const lines = answer(...process.argv.slice(2)).join('\n');
if (lines !== '') console.log(lines);
