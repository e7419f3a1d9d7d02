#pragma once

#include "closure_attention.h"

namespace tensim::cuda {

// Covariances of two models' features behind one more block of each: the twin of gaussian/closure_slices.cc.
template <class Device, class T>
class ClosureAdvance : protected AttentionSteps<Device, T> {
 protected:
  using typename ClosureSteps<T>::Joint;
  using typename ClosureSteps<T>::Stage;
  using ClosureSteps<T>::n_;
  using ClosureSteps<T>::plan_;
  using ClosureSteps<T>::product;
  using ClosureSteps<T>::make_joint;
  using AttentionSteps<Device, T>::AttentionSteps;

  // Behind a block of each, or of one where the other has come to its end and waits: in front of the linear layers with
  // `last`, which then are left for the end, and only the sum over equal positions is formed.
  void advance(const Stage* a, const Stage* b, Joint& covariance, bool last) {
    const std::uint64_t rows = a != nullptr ? a->outputs : covariance.rows,
                        columns = b != nullptr ? b->outputs : covariance.columns;
    const bool attention = (a != nullptr ? a : b)->attention;
    const bool alike = last || (covariance.alike && !attention);
    Joint out = make_joint(alike, rows, columns);
    const std::uint64_t mark = plan_.mark();
    if (a == nullptr || b == nullptr) {
      plan_waiting(a, b, covariance, out, last);
    } else if (attention) {
      plan_attention(*a, *b, covariance, out, last);
    } else {
      plan_bilinear(*a, *b, covariance, out, last);
    }
    plan_.release(mark);
    covariance = out;
    if (!last) through_linear(a, b, covariance);
  }

 private:
  using ClosureSteps<T>::each_block;
  using AttentionSteps<Device, T>::plan_attention;
  using AttentionSteps<Device, T>::plan_waiting_attention;

  // W C and C W'ᵀ
  void through_linear(const Stage* a, const Stage* b, Joint& covariance) {
    if (a != nullptr && a->after != nullptr) {
      const Joint from = covariance;
      covariance = make_joint(from.alike, a->after_rows, from.columns);
      each_block(from, [&](std::uint64_t s, std::uint64_t t) {
        product({a->after, from.rows, 1, 0}, from.block(s, t),
                {covariance.at(s, t), covariance.row(), a->after_rows, from.columns}, from.rows);
      });
      plan_.next();
    }
    if (b != nullptr && b->after != nullptr) {
      const Joint from = covariance;
      covariance = make_joint(from.alike, from.rows, b->after_rows);
      each_block(from, [&](std::uint64_t s, std::uint64_t t) {
        product(from.block(s, t), Operand<T>{b->after, from.columns, 1, 0}.transpose(),
                {covariance.at(s, t), covariance.row(), from.rows, b->after_rows}, from.columns);
      });
      plan_.next();
    }
  }

  // --- A bilinear block of each
  // -------------------------------------------------------------------------------------------------------

  // D (Σ squares) D'ᵀ + J C J'ᵀ
  void plan_bilinear(const Stage& a, const Stage& b, const Joint& from, const Joint& out, bool last) {
    const std::uint64_t h = a.units, h2 = b.units, inner = h * h2;
    // Pairs of positions (s, t) in a row; with `last` they are all summed into one.
    const bool sum = last && !from.alike;
    const std::uint64_t across = from.alike ? 1 : n_, pairs = from.alike ? 1 : sum ? n_ : n_ * n_;
    const auto s_of = [&](std::uint64_t p) { return sum ? p : p / across; };
    const auto t_of = [&](std::uint64_t p) { return sum ? p : p % across; };
    const T times = last && from.alike ? static_cast<T>(n_) : T(1);  // positions that are alike count n times
    const bool slopes = a.jacobian != nullptr && b.jacobian != nullptr;

    T* const moved = plan_.template allocate<T>(pairs * 2 * h * b.width);
    T* const products = plan_.template allocate<T>(pairs * 4 * inner);
    T* const squares = plan_.template allocate<T>((sum ? 1 : pairs) * inner);
    T* const half = plan_.template allocate<T>((sum ? 1 : pairs) * a.outputs * h2);
    T* const carried = slopes ? plan_.template allocate<T>(pairs * a.outputs * b.width) : nullptr;
    for (std::uint64_t p = 0; p < pairs; ++p) {
      const Operand<T> block = from.block(s_of(p), t_of(p));
      product({a.factors, a.width, 1, 0}, block, {moved + p * 2 * h * b.width, b.width, 2 * h, b.width}, a.width);
      if (!slopes) continue;
      // With `last` side by side, so that one product adds them all up.
      const std::uint64_t row = sum ? pairs * b.width : b.width;
      product({a.jacobian_at(s_of(p)), a.jacobian_row(), 1, 0}, block,
              {carried + (sum ? p * b.width : p * a.outputs * b.width), row, a.outputs, b.width}, a.width);
    }
    plan_.next();
    for (std::uint64_t p = 0; p < pairs; ++p) {
      product({moved + p * 2 * h * b.width, b.width, 1, 0}, Operand<T>{b.factors, b.width, 1, 0}.transpose(),
              {products + p * 4 * inner, 2 * h2, 2 * h, 2 * h2}, b.width);
    }
    plan_.next();
    for (std::uint64_t p = 0; p < (sum ? 1 : pairs); ++p) {
      const SquareTask<T> task{products + p * 4 * inner, squares + p * inner, h, h2, sum ? pairs : 1};
      plan_.step().squares.add(task, task.blocks());
    }
    plan_.next();
    const std::uint64_t results = sum ? 1 : pairs;
    for (std::uint64_t p = 0; a.has_down && p < results; ++p) {
      product({a.down, h, 1, 0}, {squares + p * inner, h2, 1, 0}, {half + p * a.outputs * h2, h2, a.outputs, h2}, h);
    }
    plan_.next();
    for (std::uint64_t p = 0; p < results; ++p) {
      const Operand<T> left{a.has_down ? half + p * a.outputs * h2 : squares + p * inner, h2, 1, 0};
      T* const to = last ? out.data : out.at(s_of(p), t_of(p));
      const T factor = times * (a.has_down ? T(1) : a.beta);
      if (b.has_down) {
        product(left, Operand<T>{b.down, h2, 1, 0}.transpose(), {to, out.row(), a.outputs, b.outputs}, h2, factor);
      } else {
        plan_.gemm(copy_task<T>(left, {to, out.row(), a.outputs, b.outputs}, factor * b.beta));
      }
    }
    plan_.next();
    for (std::uint64_t p = 0; slopes && p < results; ++p) {
      const Operand<T> left{carried + (sum ? 0 : p * a.outputs * b.width), sum ? pairs * b.width : b.width, 1, 0};
      const Operand<T> right{sum ? b.jacobian : b.jacobian_at(t_of(p)), b.jacobian_row(), 1, 0};
      product(left, right.transpose(), {last ? out.data : out.at(s_of(p), t_of(p)), out.row(), a.outputs, b.outputs},
              sum ? pairs * b.width : b.width, times, true);
    }
    plan_.next();
  }

  // --- A block of one alone
  // -----------------------------------------------------------------------------------------------------------

  // J C, or C J'ᵀ where the block is the other model's.
  void plan_waiting(const Stage* a, const Stage* b, const Joint& from, const Joint& out, bool last) {
    const Stage& stage = a != nullptr ? *a : *b;
    // A block of the result is the sum of products over `depth`, of operands in `segments`.
    const auto add = [&](const Operand<T>& slope, const Operand<T>& block, std::uint64_t depth, T factor,
                         std::uint64_t segments, T* to, bool more) {
      if (a != nullptr) {
        product(slope, block, {to, out.row(), out.rows, out.columns}, depth, factor, more, segments);
      } else {
        product(block, slope.transpose(), {to, out.row(), out.rows, out.columns}, depth, factor, more, segments);
      }
    };
    if (stage.attention) return plan_waiting_attention(stage, a != nullptr, from, out, last, add);
    if (last) {
      const T times = from.alike ? static_cast<T>(n_) : T(1);
      const Operand<T> slope{stage.jacobian, stage.jacobian_row(), 1, stage.slopes == 1 ? 0 : stage.width};
      if (stage.jacobian == nullptr) {
        plan_.gemm(copy_task<T>({}, {out.data, out.row(), out.rows, out.columns}, 0));
      } else {
        add(slope, from.diagonal(), stage.width, times, from.alike ? 1 : n_, out.data, false);
      }
      return plan_.next();
    }
    each_block(out, [&](std::uint64_t s, std::uint64_t t) {
      if (stage.jacobian == nullptr) {
        plan_.gemm(copy_task<T>({}, {out.at(s, t), out.row(), out.rows, out.columns}, 0));
      } else {
        const Operand<T> slope{stage.jacobian_at(a != nullptr ? s : t), stage.jacobian_row(), 1, 0};
        add(slope, from.block(s, t), stage.width, 1, 1, out.at(s, t), false);
      }
    });
    plan_.next();
  }
};

}  // namespace tensim::cuda
