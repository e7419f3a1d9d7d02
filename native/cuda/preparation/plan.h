#pragma once

#include "../closure_advance.h"

namespace tensim::cuda {

// What of a stage is needed only until its moments are there (TensimCudaStage); null where it is zero.
template <class T>
struct StageInputs {
  double alpha = 0, beta = 1;  // as the means take them
  const double *bias = nullptr, *unit_bias = nullptr, *projection_bias = nullptr, *turns = nullptr,
               *after_bias = nullptr;
  const T* weights = nullptr;
};

// Means on the device: null where they are zero for certain, which they are only as long as nothing has added to them.
struct DeviceMeans {
  const double* data = nullptr;
  std::uint64_t width = 0;
  bool alike = true;  // those of one position stand for all

  std::uint64_t position() const { return alike ? 0 : width; }
};

// What belongs to one chain for the closure, step after step: the twin of prepare_closure (gaussian/closure.cc) and of
// what it calls. Moments are written where the stages have room for them.
template <class Device, class T>
class ClosurePreparation : private ClosureAdvance<Device, T> {
 public:
  using typename ClosureSteps<T>::Stage;

  ClosurePreparation(ClosurePlan<T>& plan, DeviceSystems<Device>& systems, const LaunchLimits& limits,
                     std::uint64_t positions)
      : ClosureAdvance<Device, T>(plan, systems, limits, positions) {}

  // The means of the output.
  DeviceMeans plan(const std::vector<Stage>& stages, const std::vector<StageInputs<T>>& inputs, const Operand<T>& front,
                   std::uint64_t width, std::uint64_t depth, const double* offset) {
    DeviceMeans means{offset, width, true};
    if (stages.empty()) return means;
    Joint covariance = make_joint(true, width, width);
    product(front, front.transpose(), {covariance.data, width, width, width}, depth);
    plan_.next();
    for (std::size_t i = 0; i < stages.size(); ++i) {
      const Stage& stage = stages[i];
      means = stage.attention ? plan_heads(stage, inputs[i], covariance, means)
                              : plan_units(stage, inputs[i], covariance, means);
      if (stage.after != nullptr) {
        means = through(means, {stage.after_rows, stage.outputs}, stage.after, inputs[i].after_bias, {});
      }
      if (i + 1 < stages.size()) advance(&stage, &stage, covariance, false);
    }
    return means;
  }

 private:
  using typename ClosureSteps<T>::Joint;
  using ClosureSteps<T>::n_;
  using ClosureSteps<T>::plan_;
  using ClosureSteps<T>::product;
  using ClosureSteps<T>::make_joint;
  using ClosureAdvance<Device, T>::advance;
  using ClosureAdvance<Device, T>::project;

  struct Shape {
    std::uint64_t rows, columns;
  };
  // α x, added to what comes out of a block.
  struct Residual {
    DeviceMeans means;
    double factor = 0;
  };

  std::uint64_t positions_of(const DeviceMeans& means) const { return means.alike ? 1 : n_; }

  // A x + b + α x', where A is β I if there is none.
  DeviceMeans through(const DeviceMeans& x, const Shape& shape, const T* matrix, const double* bias,
                      const Residual& residual, double factor = 1) {
    const bool more = residual.factor != 0 && residual.means.data != nullptr;
    if (x.data == nullptr && bias == nullptr && !more) return {nullptr, shape.rows, x.alike};
    double* const y = plan_.template allocate<double>(positions_of(x) * shape.rows);
    MeanMapTask<T> task{};
    task.matrix = matrix;
    task.x = x.data;
    task.x_position = x.position();
    task.offset = bias;
    if (more) {
      task.plus = residual.means.data;
      task.plus_position = residual.means.position();
      task.plus_factor = residual.factor;
    }
    task.factor = factor;
    task.y = y;
    task.positions = positions_of(x);
    task.rows = shape.rows;
    task.columns = shape.columns;
    plan_.step().mean_maps.add(task, task.blocks());
    plan_.next();
    return {y, shape.rows, x.alike};
  }

  // --- Bilinear blocks: gaussian/bilinear_step.cc
  // -----------------------------------------------------------------------------------------------------------

  DeviceMeans plan_units(const Stage& stage, const StageInputs<T>& inputs, const Joint& covariance,
                         const DeviceMeans& means) {
    const std::uint64_t h = stage.units, n = covariance.alike ? 1 : n_;
    const DeviceMeans uv = through(means, {2 * h, stage.width}, stage.factors, inputs.unit_bias, {});
    const bool still = uv.data == nullptr;
    T* const moved = plan_.template allocate<T>(n * h * stage.width);
    for (std::uint64_t s = 0; s < n; ++s) {
      product({stage.factors, stage.width, 1, 0}, covariance.block(s, s),
              {moved + s * h * stage.width, stage.width, h, stage.width}, stage.width);
    }
    plan_.next();
    UnitMomentTask<T> moments{};
    moments.uv = uv.data;
    moments.factors = stage.factors;
    moments.moved = moved;
    moments.y = plan_.template allocate<double>(n * h);
    moments.positions = n;
    moments.units = h;
    moments.width = stage.width;
    moments.factor = stage.has_down ? 1 : inputs.beta;
    if (stage.jacobian != nullptr && !still) {
      moments.slopes = stage.has_down ? plan_.template allocate<T>(n * h * stage.width) : stage.jacobian;
    }
    plan_.step().unit_moments.add(moments, moments.blocks());
    plan_.next();
    if (stage.jacobian != nullptr) {
      const Target<T> jacobian{stage.jacobian, n * stage.width, stage.outputs, n * stage.width};
      if (still) {
        plan_.gemm(copy_task<T>({}, jacobian, 0));
      } else if (stage.has_down) {
        product({stage.down, h, 1, 0}, {moments.slopes, n * stage.width, 1, 0}, jacobian, h);
      }
      plan_.next();
      if (stage.alpha != 0) {
        const IdentityTask<T> residual{stage.jacobian, stage.width, n, stage.alpha};
        plan_.step().identities.add(residual, residual.blocks());
      }
    }
    return through({moments.y, h, means.alike}, {stage.outputs, h}, stage.has_down ? stage.down : nullptr, inputs.bias,
                   {means, inputs.alpha}, inputs.beta);
  }

  // --- Attention: gaussian/attention_step.cc
  // ----------------------------------------------------------------------------------------------------------------

  DeviceMeans plan_heads(const Stage& stage, const StageInputs<T>& inputs, const Joint& covariance,
                         const DeviceMeans& means) {
    const std::uint64_t inner = stage.inner(), rows = inner * kKinds;
    RotaryTask<T> turn{};
    turn.weights = inputs.weights;
    turn.bias = inputs.projection_bias;
    turn.turns = inputs.turns;
    turn.projection = stage.projection;
    turn.positions = n_;
    turn.heads = stage.heads;
    turn.size = stage.size;
    turn.width = stage.width;
    if (turn.bias != nullptr) turn.turned_bias = plan_.template allocate<double>(n_ * rows);
    plan_.step().turns.add(turn, turn.blocks());
    plan_.next();
    if (stage.means != nullptr) {
      MeanMapTask<T> projected{};
      projected.matrix = stage.projection;
      projected.matrix_position = rows * stage.width;
      projected.x = means.data;
      projected.x_position = means.position();
      projected.offset = turn.turned_bias;
      projected.offset_position = rows;
      projected.rounded = stage.means;
      projected.positions = n_;
      projected.rows = rows;
      projected.columns = stage.width;
      plan_.step().mean_maps.add(projected, projected.blocks());
    }
    plan_own(stage, covariance);

    HeadTask<T> heads{};
    heads.own = stage.own;
    heads.means = stage.means;
    heads.positions = static_cast<std::uint32_t>(n_);
    heads.heads = static_cast<std::uint32_t>(stage.heads);
    heads.size = static_cast<std::uint32_t>(stage.size);
    heads.independent = stage.independent ? 1 : 0;
    heads.causal = stage.causal ? 1 : 0;
    const std::uint64_t units = n_ * n_ * stage.heads;
    heads.items = plan_.template allocate<double>(units * HeadTask<T>::kItemMoments);
    if (stage.means != nullptr) {
      heads.ends = plan_.template allocate<double>(units * HeadTask<T>::kEnds * stage.size);
      heads.values = plan_.template allocate<double>(n_ * inner);
    }
    plan_.step().head_moments.add(heads, heads.moment_blocks());
    plan_.next();
    plan_jacobian(stage, heads);
    return through({heads.values, inner, false}, {stage.outputs, inner}, stage.output, inputs.bias,
                   {means, inputs.alpha});
  }

  // Covariances among the vectors of each head.
  void plan_own(const Stage& stage, const Joint& covariance) {
    const std::uint64_t rows = stage.size * kKinds, all = stage.heads * rows;
    const std::uint64_t row = (covariance.alike ? 1 : n_) * stage.width;
    const std::uint64_t mark = plan_.mark();
    T* const left = plan_.template allocate<T>(n_ * all * row);
    project(stage, covariance, left);
    for (std::uint64_t h = 0; h < stage.heads; ++h) {
      for (std::uint64_t s = 0; s < n_; ++s) {
        for (std::uint64_t t = covariance.alike ? s : 0; t < (covariance.alike ? s + 1 : n_); ++t) {
          const std::uint64_t pair = covariance.alike ? h * n_ + s : (h * n_ + s) * n_ + t;
          const Operand<T> ours{left + (s * all + h * rows) * row + (covariance.alike ? 0 : t * stage.width), row, 1,
                                0},
              theirs{stage.projection + (t * all + h * rows) * stage.width, stage.width, 1, 0};
          product(ours, theirs.transpose(), {stage.own + pair * rows * rows, rows, rows, rows}, stage.width);
        }
      }
    }
    plan_.next();
    plan_.release(mark);
  }

  // Slopes of heads, through the projections to the input and through O to the output.
  void plan_jacobian(const Stage& stage, HeadTask<T>& heads) {
    const std::uint64_t inner = stage.inner(), vectors = kKinds * stage.size, row = n_ * vectors,
                        wide = n_ * stage.width;
    const std::uint64_t mark = plan_.mark();
    heads.slopes = plan_.template allocate<T>(n_ * inner * row);
    T* const sums = plan_.template allocate<T>(n_ * inner * wide);
    plan_.step().head_slopes.add(heads, heads.slope_blocks());
    plan_.next();
    for (std::uint64_t s = 0; s < n_; ++s) {
      const std::uint64_t seen = stage.visible_count(s, n_);
      for (std::uint64_t h = 0; h < stage.heads; ++h) {
        const std::uint64_t at = s * inner + h * stage.size;
        for (std::uint64_t r = 0; r < seen; ++r) {
          product({heads.slopes + at * row + r * vectors, row, 1, 0},
                  {stage.projection + (r * stage.heads + h) * vectors * stage.width, stage.width, 1, 0},
                  {sums + at * wide + r * stage.width, wide, stage.size, stage.width}, vectors);
        }
      }
      const Target<T> unseen{sums + s * inner * wide + seen * stage.width, wide, inner, (n_ - seen) * stage.width};
      plan_.gemm(copy_task<T>({}, unseen, 0));
    }
    plan_.next();
    for (std::uint64_t s = 0; s < n_; ++s) {
      product({stage.output, inner, 1, 0}, {sums + s * inner * wide, wide, 1, 0},
              {stage.jacobian + s * stage.outputs * wide, wide, stage.outputs, wide}, inner);
    }
    plan_.next();
    plan_.release(mark);
  }
};

}  // namespace tensim::cuda
