/* The part of interface.h for forward passes, random numbers, and outputs that stay on a device. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* z = W x + b. Elements are floats or doubles as the network says. */
typedef struct TensimCudaMap {
  uint64_t outputs, depth;
  const void* weight; /* (outputs, depth), row-major; null: there is none */
  const void* bias;   /* (outputs), or null; may be there without a weight */
} TensimCudaMap;

typedef enum TensimCudaLayerKind {
  TENSIM_CUDA_LINEAR = 0,      /* map */
  TENSIM_CUDA_BILINEAR = 1,    /* map: a row of L, a row of R, and so on */
  TENSIM_CUDA_ATTENTION = 2,   /* map: Q1, K1, Q2, K2, V one over the other; down: O */
  TENSIM_CUDA_ACTIVATION = 3,  /* map: only its numbers of outputs and depth, which are the width */
  TENSIM_CUDA_HIDDEN = 4,      /* map: W */
  TENSIM_CUDA_GATED = 5,       /* map: a row of W, a row of U, and so on */
  TENSIM_CUDA_NORM = 6,        /* of every row; map: its numbers, as of an activation */
  TENSIM_CUDA_SHIFT = 7,       /* of every feature; map likewise */
  TENSIM_CUDA_SOFTMAX = 8,     /* map: Q, K, V one over the other; down: O */
  TENSIM_CUDA_CONVOLUTION = 9, /* map: (out, in/groups · kernel), of images */
  TENSIM_CUDA_POOL = 10,       /* of images; map: only the width */
  TENSIM_CUDA_PARALLEL = 11    /* branches; map: outputs and depth, of the layer as a whole */
} TensimCudaLayerKind;

/* Where the windows of a layer of images lie: everything (down, across). */
typedef struct TensimCudaWindows {
  uint64_t input[2], kernel[2], stride[2], padding[2], dilation[2], output[2];
} TensimCudaWindows;

struct TensimCudaLayer;

/* Layers one after the other. */
typedef struct TensimCudaSequence {
  uint64_t layer_count;
  const struct TensimCudaLayer* layers;
} TensimCudaSequence;

/* A layer as native/layers has it. */
typedef struct TensimCudaLayer {
  TensimCudaLayerKind kind;
  TensimCudaMap map, down, skip;
  double alpha, beta;

  int32_t activation; /* an ActivationKind (native/gaussian/activations/activation.h) */
  double slope;
  const void* slopes; /* of prelu, one for each unit; else null */

  uint64_t heads, size; /* of a head */
  int32_t causal;
  int32_t centred; /* of a norm: the mean is taken away */
  double epsilon;
  /* Of width numbers each, or null: (x − mean) ⊙ factor + shift; of a norm the last two. Of a shift there is one for
     each of `shifts` positions: 1, or as many as an input has. */
  const void *mean, *factor, *shift;
  uint64_t shifts;

  const void* turns; /* cos and sin of the pairs (2j, 2j + 1) of a head, (positions, size); null: no rotary embedding */

  /* Of softmax attention, whose turns are (positions, turning): heads of keys and values, the size of a head's values,
     the reach of a query (0: all), numbers of the scores, and norms of queries and keys in parts of these sizes. */
  uint64_t shared_heads, value_size, window, turning;
  int32_t interleaved;
  double scale, softcap;
  const void* falls; /* (heads): how fast scores fall with the distance (ALiBi), or null */
  const void *query_gain, *key_gain;
  uint64_t query_part, key_part; /* 0: no norm */

  /* Of images. */
  TensimCudaWindows windows;
  uint64_t channels, groups;
  int32_t largest, count_padding; /* of a pool */

  uint64_t branch_count;
  const TensimCudaSequence* branches;
} TensimCudaLayer;

/* A network; everything is copied. */
typedef struct TensimCudaNetwork {
  int32_t single; /* elements are floats, else doubles */
  uint64_t positions, features;
  uint64_t width;    /* of the table */
  const void* table; /* (features, width): what is put in the place of a token; null: inputs are vectors */
  TensimCudaSequence chain;
} TensimCudaNetwork;

/* A chain on a device, with what it takes there. */
typedef struct TensimCudaForward {
  uint64_t bytes;
} TensimCudaForward;

typedef struct TensimCudaInputs {
  uint64_t batch;
  int32_t single;        /* vectors are floats, else doubles, whatever the network has */
  const void* vectors;   /* (batch, positions, features), or null */
  const int32_t* tokens; /* (batch, positions), below the number of features, or null */
  /* As in TensimCudaTile. */
  int (*report)(void* context, uint64_t done, uint64_t total);
  void* context;
} TensimCudaInputs;

/* How outputs are kept on the device. */
typedef struct TensimCudaKeeping {
  const double* roots; /* (batch): what all outputs of an input are multiplied by; null: 1 */
  int32_t per_output;  /* every output is a segment of its own, else all are one */
} TensimCudaKeeping;

/* What every input adds to products of kept outputs, which are all of one device, batch and keeping. */
typedef struct TensimCudaSampleProducts {
  const struct TensimCudaModel* const* outputs;
  uint64_t output_count;
  const uint32_t* pairs;                        /* (pair_count, 2): places among the outputs */
  uint64_t pair_count, batch, positions, width; /* width: of a position */
  int32_t per_output;
  double* sums; /* (pairs, batch), or (pairs, batch, width) if `per_output` */
  int (*report)(void* context, uint64_t done, uint64_t total);
  void* context;
} TensimCudaSampleProducts;

/* Samples `first` to `first + count` − 1 of a stream (lib/backend/normals.ts). */
typedef struct TensimCudaNormals {
  uint32_t key0, key1, first;
  uint64_t count, dimension;
  double* numbers; /* (count, dimension) */
  int (*report)(void* context, uint64_t done, uint64_t total);
  void* context;
} TensimCudaNormals;

typedef struct TensimCudaForwardApi {
  TensimCudaStatus (*create)(int32_t device, const TensimCudaNetwork* network, TensimCudaForward** forward,
                             TensimCudaError* error);
  void (*destroy)(TensimCudaForward* forward);
  /* `results`: (batch, positions, outputs) of the network's type. */
  TensimCudaStatus (*evaluate)(const TensimCudaForward* forward, const TensimCudaInputs* inputs, void* results,
                               TensimCudaError* error);
  /* The same as vectors of doubles for `gram_products`; segments begin at multiples of *stride. */
  TensimCudaStatus (*keep)(const TensimCudaForward* forward, const TensimCudaInputs* inputs,
                           const TensimCudaKeeping* keeping, TensimCudaModel** outputs, uint64_t* stride,
                           TensimCudaError* error);
  /* x·a + y·b of kept outputs of one device, batch and keeping. */
  TensimCudaStatus (*combine)(const TensimCudaModel* a, double x, const TensimCudaModel* b, double y,
                              TensimCudaModel** result, TensimCudaError* error);
  TensimCudaStatus (*sample_products)(const TensimCudaSampleProducts* products, TensimCudaError* error);
  TensimCudaStatus (*normals)(int32_t device, const TensimCudaNormals* normals, TensimCudaError* error);
} TensimCudaForwardApi;

#ifdef __cplusplus
}
#endif
