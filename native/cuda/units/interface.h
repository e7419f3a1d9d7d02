/* Blocks of units by Hermite degree (MATH.md sections 10 and 11) on a device: a part of ../interface.h, which includes
   it. */
#pragma once

/* Units whose tails are added up: those of a model are grouped in their order, and zeros fill up the last group. */
#define TENSIM_CUDA_UNITS_GROUP 16

/* How far the series of a model reach, of every group of units: Σ_i w_i T_i(N) for N from 2 on, (terms − 1, groups),
   and the groups' parts of Σ_i w_i √E_i (native/gaussian/hidden.h). */
typedef struct TensimCudaUnitsTails {
  const double *sums, *shares;
} TensimCudaUnitsTails;

typedef enum TensimCudaFormat {
  TENSIM_CUDA_FLOAT64 = 0,
  TENSIM_CUDA_FLOAT32 = 1,
  TENSIM_CUDA_FLOAT16 = 2,
  TENSIM_CUDA_BFLOAT16 = 3,
  TENSIM_CUDA_CODES = 4 /* bytes that stand for numbers of a table */
} TensimCudaFormat;

/* A matrix of finite numbers in some format, row-major and contiguous, as it is handed over. */
typedef struct TensimCudaNumbers {
  int32_t format; /* TensimCudaFormat */
  const void* data;
  /* Of codes: what they stand for in every block of so many rows and columns, (blocks of rows, blocks of columns,
     256). */
  const float* tables;
  uint64_t block_rows, block_columns;
  const double* factors; /* what columns are multiplied by, (columns), or null */
} TensimCudaNumbers;

/* A block of units as it is handed over; everything is copied. Matrices are row-major and contiguous. */
typedef struct TensimCudaUnitsSource {
  int32_t single; /* elements are kept and multiplied as float, else as double */
  int32_t gated, stepped;
  uint64_t depth, units, outputs;
  uint64_t terms; /* N ≥ 2, the last degree that is kept */
  /* W and, if gated, U, (units, depth), of which Ŵ and U⊥ are made: row i of Ŵ is that of W over lengths_i, where that
     is not 0, and that of U⊥ is that of U less along_i times that of Ŵ. Where these are null, W is Ŵ, and U is U⊥. */
  TensimCudaNumbers directions, across;
  const double *lengths, *along; /* (units) */
  TensimCudaNumbers down;        /* D, (outputs, units) */
  const double *p, *q;           /* p_n and, if gated, √n q_(n−1) for n from 2 on, (units, terms − 1) */
  TensimCudaUnitsTails tails;
} TensimCudaUnitsSource;

/* Units on a device, with what they take there. */
typedef struct TensimCudaUnits {
  uint64_t bytes;
} TensimCudaUnits;

/* A pair of units that the series do not reach, for |ρ| is near 1: what its closed form is given. */
typedef struct TensimCudaUnitsEntry {
  uint32_t row, column; /* units of the two models */
  int32_t negative;     /* the sign of ρ */
  double gap;           /* ‖ŵ − ŵ'‖², or ‖ŵ + ŵ'‖² if ρ is negative */
  double kappa, kappa_prime, nu;
} TensimCudaUnitsEntry;

/* What the degrees from 2 on contribute to the inner product of every pair of models, Σ_ij D_ci D'_cj K_ij for every
   output c; all on one device, of one element type, depth and number of outputs. Of a model with itself the pairs of
   different units only, both ways. */
typedef struct TensimCudaUnitsTile {
  const TensimCudaUnits *const *rows, *const *columns; /* of every pair */
  uint64_t pair_count;
  double tolerance; /* the part of Σ_i w_i √E_i · Σ_j w'_j √E'_j that series may leave out */

  double *quadratic, *higher; /* of degree 2 and of all from 3 on, summed over the outputs */
  double* bound;              /* Σ_ij w_i w'_j |what the series leave out| at most */
  double* slices;             /* (pairs, outputs): all degrees, of every output; null: not wanted */

  /* Covariances of pairs of units of a pair of models, degree 2 and those from 3 on; a value other than zero aborts. */
  int (*closed)(void* context, uint64_t pair, uint64_t count, const TensimCudaUnitsEntry* entries, double* quadratic,
                double* higher);
  /* As in TensimCudaTile. */
  int (*report)(void* context, uint64_t done, uint64_t total);
  void* context;
} TensimCudaUnitsTile;

typedef struct TensimCudaUnitsApi {
  TensimCudaStatus (*create)(int32_t device, const TensimCudaUnitsSource* source, TensimCudaUnits** units,
                             TensimCudaError* error);
  /* Other tails, of the same shape: errors are measured in another scale. */
  TensimCudaStatus (*measure)(TensimCudaUnits* units, const TensimCudaUnitsTails* tails, TensimCudaError* error);
  void (*destroy)(TensimCudaUnits* units);
  TensimCudaStatus (*products)(const TensimCudaUnitsTile* tile, TensimCudaError* error);
} TensimCudaUnitsApi;
