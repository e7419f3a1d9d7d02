#pragma once

#include <cstddef>

#include "../core/matrix_view.h"

namespace tensim {

// x_s ↦ α x_s + β (O·concat_heads Σ_t softmax_t(scale q_s·k_t) v_t + o), over memory that somebody else owns. Biases
// and norms may be absent; a norm has one number for every feature of a head, or of all heads.
struct SoftmaxAttentionView {
  static constexpr const char* kType = "softmax_attention";

  MatrixView q, q_bias, k, k_bias, v, v_bias, o, o_bias;
  MatrixView q_norm, k_norm;
  std::size_t heads = 1, kv_heads = 1;
  bool causal = false;
  std::size_t window = 0;  // 0: all positions see each other
  double scale = 1;
  double softcap = 0;      // 0: none
  double rotary_base = 0;  // 0: no rotary embedding
  std::size_t turning = 0;
  bool interleaved = false;
  double rotary_scaling = 1;
  MatrixView frequencies;    // a column of one per pair that turns, instead of base and scaling; may be absent
  double rotary_factor = 1;  // of cos and sin
  double alibi = 0;          // 0: none
  double norm_epsilon = 0, norm_offset = 0;
  double alpha = 0, beta = 1;

  std::size_t width() const { return q.columns; }
  std::size_t outputs() const { return o.rows; }
  std::size_t size() const { return q.rows / heads; }
  std::size_t value_size() const { return v.rows / kv_heads; }
};

// x_s ↦ x_s + p_s: the weight is (positions, features), with at least as many rows as an input has positions.
struct PositionsView {
  static constexpr const char* kType = "positions";

  MatrixView weight;

  std::size_t width() const { return weight.columns; }
  std::size_t outputs() const { return weight.columns; }
};

}  // namespace tensim
