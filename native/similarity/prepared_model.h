#pragma once

#include <cstddef>
#include <vector>

#include "../core/aligned_buffer.h"
#include "../core/context.h"
#include "../gaussian/dense_form.h"
#include "../gaussian/one_block.h"

namespace tensim {

// How quadratic parts are multiplied: lib/backend/backend.ts, GramRoute.
enum class Route { kFactor, kUnfolded, kDense };

// A model as the kernels read it, made once and used for all of its pairs. It owns everything it needs.
//
// By the routes kFactor and kUnfolded, hidden units are packed twice, because a pair needs one model as rows and the
// other as columns of a micro-tile (gemm/kernels.h): with `depth` columns in L and R, row panel p is
// row_panels[p·mr·depth …] and its share of D is row_weights[p·(mr/2)·outputs …], laid out [unit][output]; the same for
// columns, but [output][unit]. Units that fill up the last panel are zero. By the route kDense there are no panels but
// the packed forms.
template <class T>
struct PreparedModel {
  Route route = Route::kFactor;
  std::size_t inputs = 0;     // k; 0 for plain features
  std::size_t depth = 0;      // k, or m where there is an embedding
  std::size_t outputs = 0;    // slices of the inner product
  std::size_t positions = 1;  // independent and alike: each adds the same to an inner product
  std::size_t units = 0;      // h
  bool block = false;

  std::size_t row_panel_count = 0, column_panel_count = 0;
  AlignedBuffer<T> row_panels, column_panels, row_weights, column_weights;

  // The embedding (m, k) packed as rows and as columns of micro-tiles; by the route kUnfolded only.
  AlignedBuffer<T> embedding_rows, embedding_columns;
  bool unfolded() const { return route == Route::kUnfolded; }

  // gaussian/dense_form.h, by the route kDense only: the forms, or what they are made of whenever they are wanted.
  AlignedBuffer<T> forms;
  FormFactors<T> factors;

  // One vector per output, whose inner products are plain dot products: w_c, or a slice of the features. Output c is
  // [offsets[c], offsets[c + 1]); no vectors at all when they would all be zero.
  std::vector<std::size_t> feature_offsets;
  AlignedBuffer<T> features;
  std::vector<double> constant, mean;  // e_c, m_c

  std::size_t bytes() const;
};

// Packs a chain folded by gaussian/one_block; one with an embedding takes the route kUnfolded, any other may take
// kFactor or kDense. For a model that is wanted in `once` a tile only, large forms are not kept.
template <class T>
PreparedModel<T> prepare(const Context& context, const QuadraticMap& map, Route route = Route::kFactor,
                         bool once = false);

// Plain vectors, one per output; `segments` are columns of any element type.
template <class T>
PreparedModel<T> prepare_features(const std::vector<MatrixView>& segments);

}  // namespace tensim
