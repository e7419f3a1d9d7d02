# The same addon as CMakeLists.txt, for machines that have node-gyp but no cmake. gyp has no flags per file, so every
# instruction set is a static library of its own. Warnings are not errors here: this file is used by installs with
# compilers never seen before.
{
  'variables': {
    'ask': 'node scripts/native-sources.cjs',
    'openssl_fips': '',
  },
  'target_defaults': {
    'include_dirs': ['native'],
    'defines': ['NDEBUG', '<!@(<(ask) defines <(target_arch))'],
    'cflags': ['-fPIC', '-fvisibility=hidden', '-Wall', '-Wextra', '-O3'],
    'cflags!': ['-fno-exceptions', '-O2'],
    'cflags_cc': ['-std=c++17', '-fvisibility-inlines-hidden'],
    'cflags_cc!': ['-fno-exceptions', '-fno-rtti', '-std=gnu++17', '-std=gnu++20'],
    'xcode_settings': {
      'CLANG_CXX_LANGUAGE_STANDARD': 'c++17',
      'CLANG_CXX_LIBRARY': 'libc++',
      'GCC_ENABLE_CPP_EXCEPTIONS': 'YES',
      'GCC_ENABLE_CPP_RTTI': 'YES',
      'GCC_OPTIMIZATION_LEVEL': '3',
      'GCC_SYMBOLS_PRIVATE_EXTERN': 'YES',
      'MACOSX_DEPLOYMENT_TARGET': '11.0',
    },
    'msvs_settings': {
      'VCCLCompilerTool': {
        'ExceptionHandling': 1,
        'RuntimeTypeInfo': 'true',
        'AdditionalOptions': ['/std:c++17', '/utf-8', '/W4'],
      },
    },
    'conditions': [['OS=="win"', { 'defines': ['_HAS_EXCEPTIONS=1', 'NOMINMAX', '_USE_MATH_DEFINES'] }]],
  },
  'targets': [
    {
      'target_name': 'tensim',
      'sources': ['<!@(<(ask) sources)', '<!@(<(ask) addon)'],
      'include_dirs': ['<!@(<(ask) include-dirs)'],
      'defines': ['NAPI_VERSION=8', 'NAPI_CPP_EXCEPTIONS', 'NODE_ADDON_API_CPP_EXCEPTIONS_ALL', 'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS'],
      # As in CMakeLists.txt.
      'cflags': ['-ffp-contract=off', '-fno-math-errno'],
      'xcode_settings': { 'OTHER_CPLUSPLUSFLAGS': ['-ffp-contract=off', '-fno-math-errno'] },
      'conditions': [
        ['OS=="linux"', { 'libraries': ['-ldl'] }],
        ['target_arch=="x64"', { 'dependencies': ['tensim_avx2', 'tensim_avx512'] }],
        ['target_arch=="arm64"', { 'dependencies': ['tensim_neon'] }],
      ],
    },
  ],
  'conditions': [
    ['target_arch=="x64"', {
      'targets': [
        {
          'target_name': 'tensim_avx2',
          'type': 'static_library',
          'sources': ['<!@(<(ask) isa avx2 sources)'],
          'cflags': ['<!@(<(ask) isa avx2 flags)'],
          'xcode_settings': { 'OTHER_CPLUSPLUSFLAGS': ['<!@(<(ask) isa avx2 flags)'] },
          'msvs_settings': { 'VCCLCompilerTool': { 'AdditionalOptions': ['<!@(<(ask) isa avx2 msvcFlags)'] } },
        },
        {
          'target_name': 'tensim_avx512',
          'type': 'static_library',
          'sources': ['<!@(<(ask) isa avx512 sources)'],
          'cflags': ['<!@(<(ask) isa avx512 flags)'],
          'xcode_settings': { 'OTHER_CPLUSPLUSFLAGS': ['<!@(<(ask) isa avx512 flags)'] },
          'msvs_settings': { 'VCCLCompilerTool': { 'AdditionalOptions': ['<!@(<(ask) isa avx512 msvcFlags)'] } },
        },
      ],
    }],
    ['target_arch=="arm64"', {
      'targets': [
        {
          'target_name': 'tensim_neon',
          'type': 'static_library',
          'sources': ['<!@(<(ask) isa neon sources)'],
        },
      ],
    }],
  ],
}
