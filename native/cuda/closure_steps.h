#pragma once

#include "chain_systems.h"
#include "closure_chain.h"
#include "closure_plan.h"

namespace tensim::cuda {

// Covariances of two models' features, as gaussian/covariance.h has them, on the device: where they are alike, one
// block for all equal positions.
template <class T>
struct DeviceJoint {
  T* data = nullptr;
  std::uint64_t positions = 1, rows = 0, columns = 0;
  bool alike = true;

  bool zero(std::uint64_t s, std::uint64_t t) const { return alike && s != t; }
  std::uint64_t row() const { return alike ? columns : positions * columns; }
  std::uint64_t offset(std::uint64_t s, std::uint64_t t) const { return alike ? 0 : s * rows * row() + t * columns; }
  T* at(std::uint64_t s, std::uint64_t t) const { return data + offset(s, t); }
  Operand<T> block(std::uint64_t s, std::uint64_t t) const { return {at(s, t), row(), 1, 0}; }
  // Blocks (0, 0), (1, 1) … as segments.
  Operand<T> diagonal() const { return {data, row(), 1, alike ? 0 : rows * row() + columns}; }
};

// What blocks of all kinds are planned with.
template <class T>
class ClosureSteps {
 protected:
  using Joint = DeviceJoint<T>;
  using Stage = ChainStage<T>;

  ClosureSteps(ClosurePlan<T>& plan, std::uint64_t positions) : plan_(plan), n_(positions) {}

  Joint make_joint(bool alike, std::uint64_t rows, std::uint64_t columns) {
    Joint joint{nullptr, n_, rows, columns, alike};
    joint.data = plan_.template allocate<T>((alike ? 1 : n_ * n_) * rows * columns);
    return joint;
  }

  // C = factor · A B; what it is added to lies there since an earlier step.
  void product(const Operand<T>& a, const Operand<T>& b, const Target<T>& c, std::uint64_t depth, T factor = 1,
               bool add = false, std::uint64_t segments = 1) {
    GemmTask<T> task = product_task<T>(a, b, c, depth, factor, segments);
    task.add = add ? 1 : 0;
    plan_.gemm(task);
  }

  template <class Body>
  void each_block(const Joint& joint, const Body& body) {
    for (std::uint64_t s = 0; s < (joint.alike ? 1 : n_); ++s) {
      for (std::uint64_t t = 0; t < (joint.alike ? 1 : n_); ++t) body(s, t);
    }
  }

  ClosurePlan<T>& plan_;
  const std::uint64_t n_;
};

}  // namespace tensim::cuda
