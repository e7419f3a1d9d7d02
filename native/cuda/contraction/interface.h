/* The part of interface.h that runs contraction plans (native/contraction/plan.h) step by step: the addon keeps account
   of buffers and slices, what is in them lies on the device. */
#pragma once

/* One loop of a step: its size and strides in elements, 0 where a view does not have it. */
typedef struct TensimCudaLoop {
  uint64_t size;
  int64_t a, b, out;
} TensimCudaLoop;

typedef enum TensimCudaStepKind {
  TENSIM_CUDA_PRODUCT = 0, /* tiles, on tensor cores */
  TENSIM_CUDA_LOOPS = 1,   /* element by element */
  TENSIM_CUDA_SUMS = 2,    /* a product with a vector, or a reduction: left or right has no loops */
  TENSIM_CUDA_MAP = 3      /* nothing is summed; b may be null */
} TensimCudaStepKind;

/* out[x y z] = factor · Σ_w a[x y w] · b[x z w], or out[x y z] += …; a, b and out are in the device's memory, at the
   element with all indices 0. Loops: batch, then left, right and contracted ones. At most TENSIM_CUDA_LOOPS_MOST of
   them are larger than 1. */
typedef struct TensimCudaStep {
  int32_t kind, accumulate;
  const void *a, *b; /* b: null counts as ones */
  void* out;
  double factor;
  const TensimCudaLoop* loops;
  uint64_t batch, left, right, contracted; /* how many loops */
} TensimCudaStep;

#define TENSIM_CUDA_LOOPS_MOST 53

/* A plan while it runs. */
typedef struct TensimCudaContraction TensimCudaContraction;

typedef struct TensimCudaContractionApi {
  uint32_t size; /* of this table */
  /* `report` is called between launches with the index combinations done since; a value other than 0 aborts. */
  TensimCudaStatus (*create)(int32_t device, int32_t single, int (*report)(void* context, uint64_t points),
                             void* context, TensimCudaContraction** run, TensimCudaError* error);
  /* Everything that was allocated is to be released before. */
  void (*destroy)(TensimCudaContraction* run);
  TensimCudaStatus (*allocate)(TensimCudaContraction* run, uint64_t elements, void** memory, TensimCudaError* error);
  void (*release)(TensimCudaContraction* run, void* memory);
  TensimCudaStatus (*upload)(TensimCudaContraction* run, void* to, const void* from, uint64_t elements,
                             TensimCudaError* error);
  TensimCudaStatus (*download)(TensimCudaContraction* run, const void* from, void* to, uint64_t elements,
                               TensimCudaError* error);
  TensimCudaStatus (*step)(TensimCudaContraction* run, const TensimCudaStep* step, TensimCudaError* error);
  /* Multiplies a buffer by a factor; 0 makes zeros of whatever is there. */
  TensimCudaStatus (*scale)(TensimCudaContraction* run, void* data, uint64_t elements, double factor,
                            TensimCudaError* error);
  /* The largest magnitude in a buffer; NaN counts as nothing. */
  TensimCudaStatus (*largest)(TensimCudaContraction* run, const void* data, uint64_t elements, double* most,
                              TensimCudaError* error);
} TensimCudaContractionApi;
