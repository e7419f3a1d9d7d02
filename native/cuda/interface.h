/* The one thing that the addon and the library tensim_cuda share: a table of functions in C, so that each can be built
   by a compiler and against a C++ library of its own. The library exports a single symbol, tensim_cuda_api, which gives
   the table. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Raised by one with every change below. */
#define TENSIM_CUDA_VERSION 7u
#define TENSIM_CUDA_SYMBOL "tensim_cuda_api"
#define TENSIM_CUDA_TEXT 256
/* Where elements are floats because something is `single`: of this value, products on tensor cores are one pass of
   TF32, of factors rounded to 11 bits; else three, which are as exact as products of floats. All models of a tile have
   the same. */
#define TENSIM_CUDA_TF32 2
/* Segments of vectors begin and end at multiples of so many elements; zeros fill them up. */
#define TENSIM_CUDA_ALIGN 4

#ifdef __cplusplus
extern "C" {
#endif

typedef enum TensimCudaStatus {
  TENSIM_CUDA_OK = 0,
  TENSIM_CUDA_UNAVAILABLE = 1,   /* no driver, no device, or a driver too old */
  TENSIM_CUDA_OUT_OF_MEMORY = 2, /* of the device or of the host */
  TENSIM_CUDA_ABORTED = 3,       /* `report` asked for it */
  TENSIM_CUDA_INVALID = 4,       /* arguments that do not fit each other */
  TENSIM_CUDA_FAILED = 5         /* anything else the runtime reports; the device may be unusable afterwards */
} TensimCudaStatus;

/* Why a call did not succeed, in one line; untouched when it did. */
typedef struct TensimCudaError {
  char message[TENSIM_CUDA_TEXT];
} TensimCudaError;

/* Versions are 1000·major + 10·minor, as CUDA gives them; memory is in bytes. */
typedef struct TensimCudaDevice {
  char name[TENSIM_CUDA_TEXT];
  int32_t driver, runtime;
  int32_t major, minor; /* compute capability */
  uint64_t free_memory, total_memory;
  double bandwidth; /* bytes per second, by the clock and the width of its memory; 0 where it does not tell */
} TensimCudaDevice;

/* A model as it is handed over; everything is copied. Matrices are row-major and contiguous. */
typedef struct TensimCudaSource {
  int32_t single; /* elements are kept and multiplied as float, else as double */
  uint64_t depth, units, outputs;
  const double *left, *right; /* (units, depth) */
  const double* down;         /* (outputs, units) */
  uint64_t length;            /* of the vector; 0: none, which counts as zero */
  const void* vector;         /* `length` floats if `single`, else doubles */

  /* Not 0: the quadratic part is to be expanded. Then what is kept is one vector, of so many elements per output: its
     packed form (native/gaussian/dense_form.h), the `depth` elements that `vector` has of it, if any, and zeros. */
  uint64_t form_stride;
} TensimCudaSource;

/* A model on a device, with what it takes there. */
typedef struct TensimCudaModel {
  uint64_t bytes;
} TensimCudaModel;

/* Inner products of every row model with every column model; all on one device, of one element type, depth and number
   of outputs. Output c of a pair is

     slice_c = factor · (weight · (Σ_hk D_ch D'_ck [(L_h·L'_k)(R_h·R'_k) + (L_h·R'_k)(R_h·L'_k)] + v_c·v'_c) + e_c e'_c)

   with v_c the elements [offsets[c], offsets[c + 1]) of the vectors, which are multiples of TENSIM_CUDA_ALIGN. */
typedef struct TensimCudaTile {
  const TensimCudaModel *const *rows, *const *columns;
  uint64_t row_count, column_count;
  int32_t symmetric; /* rows and columns are the same: row ≤ column is computed, and mirrored */

  double weight, factor;
  const double *row_constants, *column_constants; /* e: (rows, outputs), (columns, outputs); or null: zeros */
  const uint64_t* offsets;                        /* segments + 1 of them, or null: the vectors do not count */
  uint64_t segments;                              /* as many as outputs */

  double* total;  /* (rows, columns): the sum of the slices, in their order; or null */
  double* slices; /* (rows, columns, outputs), or null */

  /* Called from time to time, and at the end, with the flops done and in all; a value other than zero aborts. May be
     null. */
  int (*report)(void* context, uint64_t done, uint64_t total);
  void* context;
} TensimCudaTile;

/* A block of a chain as MATH.md section 6 takes it, and the linear layers behind it (native/gaussian/stages.h).
   Elements are floats or doubles as the source says, biases always doubles, and null where they are zero; matrices
   are row-major. */
typedef struct TensimCudaStage {
  int32_t attention; /* else bilinear */
  uint64_t width, outputs;
  double alpha, beta; /* of the residual, and bilinear: what stands for D without one */
  const double* bias; /* of what comes out, β·bias (outputs) */

  uint64_t units;
  const void* factors;     /* L over R, (2·units, width) */
  const double* unit_bias; /* (2·units) */
  int32_t has_down;
  const void* down; /* β D, (outputs, units) */

  uint64_t heads, size; /* of a head */
  int32_t causal;
  const void* weights;           /* of q1, k1, q2, k2 and v: (5, heads·size, width) */
  const double* projection_bias; /* (5, heads·size) */
  const double* turns;           /* cos and sin of rotary embedding, (positions, size / 2, 2), or null */
  const void* output;            /* β O / size², (outputs, heads·size) */

  uint64_t after_rows;
  const void* after;        /* (after_rows, outputs), or null */
  const double* after_bias; /* (after_rows) */
} TensimCudaStage;

/* A chain for the closure, or for the tensor measure (MATH.md section 7), whose step without residuals is that of the
   closure but for a factor; everything is copied. */
typedef struct TensimCudaChain {
  int32_t single; /* elements are floats, else doubles */
  uint64_t positions, inputs, width, outputs;
  const void* front;    /* (width, inputs) */
  const double* offset; /* what is added behind it, (width), or null: zeros */
  uint64_t stage_count;
  const TensimCudaStage* stages;
  double front_factor; /* that products of fronts count, before the first block */
  double factor;       /* that slices count */

  /* Of the closure: where the means of the output go, of every position if a block is attention, else of one that
     stands for all, (positions or 1, outputs). With null the chain is one of the tensor measure, and nothing but
     products of factors is made of it. */
  double* means;
} TensimCudaChain;

/* A chain of at most two bilinear blocks (native/gaussian/two_block.h); everything is copied. Elements are floats or
   doubles as `single` says, where nothing else is told; matrices are row-major. */
typedef struct TensimCudaTwoBlock {
  int32_t single;
  uint64_t inputs, rank, units, outputs;
  const void* basis;    /* (rank, inputs) */
  const void* forms;    /* (2·units + 2·outputs, rank, rank), symmetric */
  const void* vectors;  /* (2·units + outputs, rank) */
  int32_t linear_parts; /* not all vectors of units are zero */
  const double* down;   /* (outputs, units) */
  const double* mean;   /* (outputs) */
  double factor;        /* that slices count */
} TensimCudaTwoBlock;

/* A model of a method that takes pairs one at a time on a device, with what it takes there. */
typedef struct TensimCudaClosure {
  uint64_t bytes;
} TensimCudaClosure;

/* Of chains for the closure: traces of the covariances of every row chain with every column chain, summed over
   positions, which are inner products but for the means. Of all others: inner products. All are of one method, device,
   element type, number of positions, of inputs and of outputs, and where two both have a block, it is of the same
   kind. */
typedef struct TensimCudaClosureTile {
  const TensimCudaClosure *const *rows, *const *columns;
  uint64_t row_count, column_count;
  int32_t symmetric; /* as in TensimCudaTile */
  double* total;     /* (rows, columns) */
  double* slices;    /* (rows, columns, outputs), or null */
  int (*report)(void* context, uint64_t done, uint64_t total_work);
  void* context;
} TensimCudaClosureTile;

#include "contraction/interface.h"
#include "forward/interface.h"
#include "units/interface.h"

typedef struct TensimCudaApi {
  uint32_t version, size; /* TENSIM_CUDA_VERSION, sizeof(TensimCudaApi) */
  TensimCudaStatus (*device_count)(int32_t* count, TensimCudaError* error);
  TensimCudaStatus (*device_info)(int32_t device, TensimCudaDevice* info, TensimCudaError* error);
  TensimCudaStatus (*model_create)(int32_t device, const TensimCudaSource* source, TensimCudaModel** model,
                                   TensimCudaError* error);
  void (*model_destroy)(TensimCudaModel* model);
  TensimCudaStatus (*gram_products)(const TensimCudaTile* tile, TensimCudaError* error);
  /* What products of floats, if `single`, or of doubles reach on registers alone, in flops per second. */
  TensimCudaStatus (*peak)(int32_t device, int32_t single, double* rate, TensimCudaError* error);
  TensimCudaStatus (*closure_create)(int32_t device, const TensimCudaChain* chain, TensimCudaClosure** closure,
                                     TensimCudaError* error);
  void (*closure_destroy)(TensimCudaClosure* closure);
  TensimCudaStatus (*closure_products)(const TensimCudaClosureTile* tile, TensimCudaError* error);
  TensimCudaStatus (*two_block_create)(int32_t device, const TensimCudaTwoBlock* source, TensimCudaClosure** model,
                                       TensimCudaError* error);
  const TensimCudaUnitsApi* units;
  const TensimCudaForwardApi* forward;
  const TensimCudaContractionApi* contraction;
} TensimCudaApi;

typedef const TensimCudaApi* (*TensimCudaEntry)(void);

#ifdef __cplusplus
}
#endif
