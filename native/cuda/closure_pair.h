#pragma once

#include "closure_advance.h"

namespace tensim::cuda {

// What one inner product takes, step after step: the twin of gaussian/closure_slices.cc.
template <class Device, class T>
class ClosurePair : private ClosureAdvance<Device, T> {
 public:
  using Model = Chain<Device>;
  static bool fits(const Model& a, const Model& b) {
    bool fits = a.PairModel<Device>::fits(b) && a.positions == b.positions && a.front_factor == b.front_factor &&
                a.factor == b.factor;
    const auto &ours = a.template of<T>().stages, &theirs = b.template of<T>().stages;
    for (std::size_t i = 0; i < std::min(ours.size(), theirs.size()); ++i) {
      fits = fits && ours[i].attention == theirs[i].attention;
    }
    return fits;
  }

  ClosurePair(ClosurePlan<T>& plan, DeviceSystems<Device>& systems, const LaunchLimits& limits, const Chain<Device>& a,
              const Chain<Device>& b)
      : ClosureAdvance<Device, T>(plan, systems, limits, a.positions), a_(a), b_(b) {}

  // Plans the traces of the outputs' covariance, (outputs).
  void plan(double* slices) {
    const ChainFactors<T>&f = a_.template of<T>(), &g = b_.template of<T>();
    const std::size_t depth = std::max(f.stages.size(), g.stages.size());
    const Operand<T> front{f.front, a_.inputs, 1, 0}, front2{g.front, b_.inputs, 1, 0};
    if (depth == 0) return slice(front, front2, a_.inputs, static_cast<double>(n_) * a_.factor, slices);
    Joint covariance = make_joint(true, a_.width, b_.width);
    product(front, front2.transpose(), {covariance.data, b_.width, a_.width, b_.width}, a_.inputs,
            static_cast<T>(a_.front_factor));
    plan_.next();
    const auto stage = [](const ChainFactors<T>& factors, std::size_t i) {
      return i < factors.stages.size() ? &factors.stages[i] : nullptr;
    };
    for (std::size_t i = 0; i < depth; ++i) advance(stage(f, i), stage(g, i), covariance, i + 1 == depth);
    finish(covariance, stage(f, depth - 1), stage(g, depth - 1), slices);
  }

 private:
  using typename ClosureSteps<T>::Joint;
  using typename ClosureSteps<T>::Stage;
  using ClosureSteps<T>::n_;
  using ClosureSteps<T>::plan_;
  using ClosureSteps<T>::product;
  using ClosureSteps<T>::make_joint;
  using ClosureAdvance<Device, T>::advance;

  void slice(const Operand<T>& left, const Operand<T>& right, std::uint64_t length, double factor, double* slices) {
    const SliceTask<T> task{left.data, right.data, slices, a_.outputs, length, left.row, right.row, factor};
    plan_.step().slices.add(task, task.blocks());
  }

  // The last linear layers, of which only the diagonal of W C W'ᵀ is needed.
  void finish(const Joint& sum, const Stage* a, const Stage* b, double* slices) {
    Operand<T> rows{sum.data, sum.row(), 1, 0};
    if (a != nullptr && a->after != nullptr) {
      T* const half = plan_.template allocate<T>(a->after_rows * sum.columns);
      product({a->after, sum.rows, 1, 0}, rows, {half, sum.columns, a->after_rows, sum.columns}, sum.rows);
      plan_.next();
      rows = {half, sum.columns, 1, 0};
    }
    const bool after = b != nullptr && b->after != nullptr;
    slice(rows, after ? Operand<T>{b->after, sum.columns, 1, 0} : Operand<T>{}, sum.columns, a_.factor, slices);
  }

  const Chain<Device>&a_, &b_;
};

}  // namespace tensim::cuda
