#pragma once

#include "closure_steps.h"

namespace tensim::cuda {

// Attention blocks, step after step: the twin of gaussian/attention.cc.
template <class Device, class T>
class AttentionSteps : protected ClosureSteps<T> {
 protected:
  using typename ClosureSteps<T>::Joint;
  using typename ClosureSteps<T>::Stage;
  using ClosureSteps<T>::each_block;
  using ClosureSteps<T>::n_;
  using ClosureSteps<T>::plan_;
  using ClosureSteps<T>::product;

  AttentionSteps(ClosurePlan<T>& plan, DeviceSystems<Device>& systems, const LaunchLimits& limits,
                 std::uint64_t positions)
      : ClosureSteps<T>(plan, positions), systems_(systems), limits_(limits) {}

  // O Cov(z, z') O'ᵀ + α C J'ᵀ + α' J C + α α' C
  void plan_attention(const Stage& a, const Stage& b, const Joint& from, const Joint& out, bool last) {
    const std::uint64_t inner = a.inner(), inner2 = b.inner();
    const std::uint64_t sums_row = last ? inner2 : n_ * inner2;
    T* const sums = plan_.template allocate<T>((last ? 1 : n_) * inner * sums_row);
    const std::uint64_t mark = plan_.mark();
    plan_chains(a, b, from, last, sums, sums_row);
    plan_.release(mark);

    const std::uint64_t rows = last ? 1 : n_;
    T* const half = plan_.template allocate<T>(rows * a.outputs * sums_row);
    for (std::uint64_t s = 0; s < rows; ++s) {
      product({a.output, inner, 1, 0}, {sums + s * inner * sums_row, sums_row, 1, 0},
              {half + s * a.outputs * sums_row, sums_row, a.outputs, sums_row}, inner);
    }
    plan_.next();
    const T residual = a.alpha * b.alpha;
    const Operand<T> output2{b.output, inner2, 1, 0};
    if (last) {
      GemmTask<T> task = product_task<T>({half, sums_row, 1, 0}, output2.transpose(),
                                         {out.data, out.row(), a.outputs, b.outputs}, inner2);
      plan_.gemm(task);
      plan_.next();
      if (residual != 0) {
        GemmTask<T> copy = copy_task<T>(from.diagonal(), {out.data, out.row(), a.outputs, b.outputs}, residual, n_);
        copy.add = 1;
        plan_.gemm(copy);
        plan_.next();
      }
      if (a.alpha != 0) add_slopes(b, false, from, out, a.alpha);
      if (b.alpha != 0) add_slopes(a, true, from, out, b.alpha);
      return;
    }
    each_block(out, [&](std::uint64_t s, std::uint64_t t) {
      const Operand<T> left{half + s * a.outputs * sums_row + t * inner2, sums_row, 1, 0};
      GemmTask<T> task =
          product_task<T>(left, output2.transpose(), {out.at(s, t), out.row(), a.outputs, b.outputs}, inner2);
      if (residual != 0 && !from.zero(s, t)) {
        task.plus = from.at(s, t);
        task.plus_row = from.row();
        task.plus_factor = residual;
      }
      plan_.gemm(task);
    });
    plan_.next();
    add_slopes_everywhere(a, b, from, out);
  }

  // α C J'ᵀ and α' J C for every pair of positions. Of a causal Jacobian only those before are not zero.
  void add_slopes_everywhere(const Stage& a, const Stage& b, const Joint& from, const Joint& out) {
    const std::uint64_t row = n_ * a.width, row2 = n_ * b.width;
    for (std::uint64_t s = 0; a.alpha != 0 && s < n_; ++s) {
      for (std::uint64_t t = 0; t < n_; ++t) {
        const std::uint64_t seen = b.visible_count(t, n_);
        if (from.alike && s >= seen) continue;
        const Operand<T> slope{b.jacobian + t * b.outputs * row2 + (from.alike ? s * b.width : 0), row2, 1, 0};
        product(from.alike ? from.block(s, s) : from.block(s, 0), slope.transpose(),
                {out.at(s, t), out.row(), a.outputs, b.outputs}, (from.alike ? 1 : seen) * b.width, a.alpha, true);
      }
    }
    plan_.next();
    for (std::uint64_t s = 0; b.alpha != 0 && s < n_; ++s) {
      for (std::uint64_t t = 0; t < n_; ++t) {
        const std::uint64_t seen = a.visible_count(s, n_);
        if (from.alike && t >= seen) continue;
        const Operand<T> slope{a.jacobian + s * a.outputs * row + (from.alike ? t * a.width : 0), row, 1, 0};
        product(slope, from.alike ? from.block(t, t) : from.block(0, t),
                {out.at(s, t), out.row(), a.outputs, b.outputs}, (from.alike ? 1 : seen) * a.width, b.alpha, true);
      }
    }
    plan_.next();
  }

  // P C for all heads at once, (positions, heads·5·size, width', or positions·width' if they are not alike).
  void project(const Stage& a, const Joint& from, T* left) {
    const std::uint64_t rows = a.inner() * kKinds, row = (from.alike ? 1 : n_) * from.columns;
    for (std::uint64_t s = 0; s < n_; ++s) {
      product({a.projection + s * rows * a.width, a.width, 1, 0}, from.alike ? from.block(s, s) : from.block(s, 0),
              {left + s * rows * row, row, rows, row}, a.width);
    }
    plan_.next();
  }

  // Cov(z, z') of the heads' sums before O: the projections of all heads at once, then the chains.
  void plan_chains(const Stage& a, const Stage& b, const Joint& from, bool last, T* sums, std::uint64_t sums_row) {
    const std::uint64_t rows = a.inner() * kKinds, columns = b.inner() * kKinds;
    const std::uint64_t left_row = (from.alike ? 1 : n_) * b.width;
    T* const cross = plan_.template allocate<T>((from.alike ? n_ : n_ * n_) * rows * columns);
    const std::uint64_t mark = plan_.mark();
    T* const left = plan_.template allocate<T>(n_ * rows * left_row);
    project(a, from, left);
    for (std::uint64_t s = 0; s < n_; ++s) {
      for (std::uint64_t t = from.alike ? s : 0; t < (from.alike ? s + 1 : n_); ++t) {
        const Operand<T> ours{left + s * rows * left_row + (from.alike ? 0 : t * b.width), left_row, 1, 0};
        const Operand<T> theirs{b.projection + t * columns * b.width, b.width, 1, 0};
        product(ours, theirs.transpose(),
                {cross + (from.alike ? s : s * n_ + t) * rows * columns, columns, rows, columns}, b.width);
      }
    }
    plan_.next();
    plan_.release(mark);

    const auto& lists = systems_.of({n_, a.causal, b.causal, from.alike, last});
    ChainTask<T> task{};
    task.own_a = a.own;
    task.own_b = b.own;
    task.means_a = a.means;
    task.means_b = b.means;
    task.cross = cross;
    task.systems = lists.systems.data();
    task.groups = lists.groups.data();
    task.system_count = lists.system_count;
    task.group_count = lists.group_count;
    task.positions = static_cast<std::uint32_t>(n_);
    task.heads_a = static_cast<std::uint32_t>(a.heads);
    task.heads_b = static_cast<std::uint32_t>(b.heads);
    task.size_a = static_cast<std::uint32_t>(a.size);
    task.size_b = static_cast<std::uint32_t>(b.size);
    task.independent_a = a.independent ? 1 : 0;
    task.independent_b = b.independent ? 1 : 0;
    task.alike = from.alike ? 1 : 0;
    task.sums = sums;
    task.sums_row = sums_row;
    task.moments = plan_.template allocate<double>(task.units() * kSubsets);
    task.parts = plan_.template allocate<T>(task.units() * a.size * b.size);
    if (a.means != nullptr || b.means != nullptr) {
      task.vectors = plan_.template allocate<T>(task.units() * task.vectors_size());
      task.paths = plan_.template allocate<double>(task.units() * kSubsets);
      plan_.step().means.add(task, MeanKernel<T>::blocks(task));
      plan_.next();
    }
    plan_.step().moments.add(task, MomentKernel<T>::blocks(task));
    plan_.next();
    // Blocks in equal launches that follow each other in the same memory, as few as the limits let have their pieces.
    const std::uint64_t blocks = task.chain_blocks(), bytes = task.pieces_size() * sizeof(T);
    const std::uint64_t most = std::max<std::uint64_t>(limits_.workspace_bytes / bytes, 1);
    const std::uint64_t launches = std::max<std::uint64_t>((blocks + most - 1) / most, 1);
    const std::uint64_t together = (blocks + launches - 1) / launches;
    task.pieces = plan_.template allocate<T>(together * task.pieces_size());
    for (task.first_block = 0; task.first_block < blocks; task.first_block += together) {
      plan_.step().chains.add(task, std::min(together, blocks - task.first_block));
      plan_.next();
    }
    plan_.step().sums.add(task, ChainSumKernel<T>::blocks(task));
    plan_.next();
    constexpr double kProducts = 280;  // of a unit without a zero block; what is skipped counts as done
    plan_.flops += kProducts * 2 * static_cast<double>(task.units()) * static_cast<double>(a.size * b.size) *
                   static_cast<double>(task.largest());
  }

  // An attention block's Jacobian, which leaves the residual out, reaches a position from all others.
  template <class Add>
  void plan_waiting_attention(const Stage& stage, bool ours, const Joint& from, const Joint& out, bool last,
                              const Add& add) {
    const std::uint64_t row = n_ * stage.width;
    if (last) {
      const Operand<T> residual = stage.alpha != 0 ? from.diagonal() : Operand<T>{};
      plan_.gemm(copy_task<T>(residual, {out.data, out.row(), out.rows, out.columns}, stage.alpha, n_));
      plan_.next();
      add_slopes(stage, ours, from, out, 1);
      return;
    }
    each_block(out, [&](std::uint64_t s, std::uint64_t t) {
      const bool known = stage.alpha != 0 && !from.zero(s, t);
      plan_.gemm(copy_task<T>(known ? from.block(s, t) : Operand<T>{}, {out.at(s, t), out.row(), out.rows, out.columns},
                              stage.alpha));
    });
    plan_.next();
    each_block(out, [&](std::uint64_t s, std::uint64_t t) {
      // Position s of J against column t of C, or row s of C against position t of J.
      const std::uint64_t at = ours ? s : t, other = ours ? t : s;
      const Operand<T> slope{stage.jacobian + at * stage.outputs * row, row, 1, 0};
      if (from.alike) {
        if (other < stage.visible_count(at, n_)) {
          add(slope.shifted(other * stage.width), from.block(0, 0), stage.width, 1, 1, out.at(s, t), true);
        }
      } else {
        const std::uint64_t depth = stage.visible_count(at, n_) * stage.width;
        add(slope, ours ? from.block(0, t) : from.block(s, 0), depth, 1, 1, out.at(s, t), true);
      }
    });
    plan_.next();
  }

 private:
  // out += factor · Σ_s J_s C, or its counterpart: the sum over equal positions of what the mean Jacobian of an
  // attention block carries.
  void add_slopes(const Stage& stage, bool ours, const Joint& from, const Joint& out, T factor) {
    const std::uint64_t row = n_ * stage.width;
    // Block (s, s) of J against the one block of C; else all of (s, ·), which is zero where s does not look.
    const Operand<T> slope{stage.jacobian, row, 1, stage.outputs * row + (from.alike ? stage.width : 0)};
    const std::uint64_t depth = from.alike ? stage.width : row;
    if (ours) {
      const Operand<T> block{from.data, from.row(), 1, from.alike ? 0 : from.columns};
      product(slope, block, {out.data, out.row(), out.rows, out.columns}, depth, factor, true, n_);
    } else {
      const Operand<T> block{from.data, from.row(), 1, from.alike ? 0 : from.rows * from.row()};
      product(block, slope.transpose(), {out.data, out.row(), out.rows, out.columns}, depth, factor, true, n_);
    }
    plan_.next();
  }

  DeviceSystems<Device>& systems_;
  const LaunchLimits& limits_;
};

}  // namespace tensim::cuda
