#pragma once

#include "../chain_systems.h"
#include "../closure_plan.h"
#include "model.h"

namespace tensim::cuda {

// What one inner product of chains of two blocks takes, step after step: the twin of gaussian/two_block_pair.cc.
template <class Device, class T>
class TwoBlockPair {
 public:
  using Model = TwoBlock<Device>;
  static bool fits(const Model& a, const Model& b) { return a.PairModel<Device>::fits(b) && a.factor == b.factor; }

  // The cumulants that do not separate cost rank³ per pair of units: work is done in the smaller of the two spaces.
  TwoBlockPair(ClosurePlan<T>& plan, DeviceSystems<Device>&, const LaunchLimits& limits, const Model& a, const Model& b)
      : plan_(plan), limits_(limits), a_(b.rank < a.rank ? b : a), b_(b.rank < a.rank ? a : b) {}

  void plan(double* slices) {
    const TwoBlockFactors<T>&f = a_.template of<T>(), &g = b_.template of<T>();
    const std::uint64_t r = a_.rank, r2 = b_.rank, h = a_.units, h2 = b_.units, o = a_.outputs;
    const std::uint64_t forms = 2 * (h2 + o), square = r * r;

    // Theirs in our coordinates: A ↦ T A Tᵀ, a ↦ T a.
    T* const t = plan_.template allocate<T>(r * r2);
    T* const half = plan_.template allocate<T>(forms * r2 * r);
    T* const carried = plan_.template allocate<T>(forms * square);
    T* const vectors = plan_.template allocate<T>((2 * h2 + o) * r);
    product({f.basis, a_.inputs}, rows({g.basis, b_.inputs}), {t, r2, r, r2}, a_.inputs);
    plan_.next();
    const Operand<T> transposed = rows({t, r2});
    product({g.forms, r2}, transposed, {half, r, forms * r2, r}, r2);
    product({g.vectors, r2}, transposed, {vectors, r, 2 * h2 + o, r}, r2);
    plan_.next();
    for (std::uint64_t i = 0; i < forms; ++i) {
      product({t, r2}, {half + i * r2 * r, r}, {carried + i * square, r, r, r}, r2);
    }
    plan_.next();

    double* const fourth = plan_.template allocate<double>(h * h2);
    if (h > 0 && h2 > 0) plan_products(f, carried, vectors, fourth);
    const TwoBlockSliceTask<T> task{a_.down,
                                    b_.down,
                                    fourth,
                                    a_.mean,
                                    b_.mean,
                                    f.forms + 2 * h * square,
                                    carried + 2 * h2 * square,
                                    f.vectors + 2 * h * r,
                                    vectors + 2 * h2 * r,
                                    slices,
                                    h,
                                    h2,
                                    r,
                                    o,
                                    a_.factor};
    plan_.step().two_block_slices.add(task, task.blocks());
  }

 private:
  // Rows of a matrix as columns.
  static Operand<T> rows(const Operand<T>& matrix) { return matrix.transpose(); }

  void product(const Operand<T>& a, const Operand<T>& b, const Target<T>& c, std::uint64_t depth, T factor = 1,
               bool add = false) {
    GemmTask<T> task = product_task<T>(a, b, c, depth, factor);
    task.add = add ? 1 : 0;
    plan_.gemm(task);
  }

  void plan_products(const TwoBlockFactors<T>& f, const T* carried, const T* vectors, double* fourth) {
    const std::uint64_t r = a_.rank, h = a_.units, h2 = b_.units, square = r * r;
    const bool linear_parts = a_.linear_parts && b_.linear_parts;
    T* const covariance = plan_.template allocate<T>(2 * h * 2 * h2);
    T* const ours = linear_parts ? plan_.template allocate<T>(2 * h * 2 * h2 * r) : nullptr;
    T* const theirs = linear_parts ? plan_.template allocate<T>(2 * h2 * 2 * h * r) : nullptr;
    product({f.forms, square}, rows({carried, square}), {covariance, 2 * h2, 2 * h, 2 * h2}, square, 2);
    if (linear_parts) {
      // Forms are symmetric: their rows are their columns.
      product({f.vectors, r}, rows({carried, r}), {ours, 2 * h2 * r, 2 * h, 2 * h2 * r}, r);
      product({vectors, r}, rows({f.forms, r}), {theirs, 2 * h * r, 2 * h2, 2 * h * r}, r);
      plan_.next();
      product({f.vectors, r}, rows({vectors, r}), {covariance, 2 * h2, 2 * h, 2 * h2}, r, 1, true);
    }
    plan_.next();

    // Products of all forms with all forms, for as many of our units at a time as the workspace takes.
    const std::uint64_t bytes = std::max<std::uint64_t>(1, 2 * h2 * square * sizeof(T));
    const std::uint64_t most = std::clamp<std::uint64_t>(limits_.workspace_bytes / bytes, 1, h);
    T* const left = plan_.template allocate<T>(most * h2 * square);
    T* const right = plan_.template allocate<T>(most * h2 * square);
    for (std::uint64_t first = 0; first < h; first += most) {
      const std::uint64_t units = std::min(most, h - first);
      product({f.forms + first * square, r}, rows({carried, r}), {left, h2 * r, units * r, h2 * r}, r);
      product({carried + h2 * square, r}, rows({f.forms + (h + first) * square, r}),
              {right, units * r, h2 * r, units * r}, r);
      plan_.next();
      const TraceTask<T> task{left, right, covariance, ours, theirs, fourth, first, units, h, h2, r};
      plan_.step().traces.add(task, task.blocks());
      plan_.next();
    }
  }

  ClosurePlan<T>& plan_;
  const LaunchLimits& limits_;
  const Model &a_, &b_;
};

}  // namespace tensim::cuda
