#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "../core/matrix_view.h"

namespace tensim {

// One loop of a step with its current size. The last loop of a bundle runs fastest.
struct Loop {
  std::size_t size;
  std::ptrdiff_t a, b, out;  // strides; 0 where a view does not have the axis
};
using Bundle = std::vector<Loop>;

// How the data of an operand lies: strides `a`, and the place of the element with all indices 0.
struct OperandLayout {
  Bundle axes;
  std::ptrdiff_t offset = 0;
  std::size_t elements = 0;  // that the data must have at least
};

// A contraction fully resolved, as lib/contraction/plan.ts defines and explains it; offsets and strides are in
// elements. A plan is run by passes over the combinations of its slices, and every step is, for all combinations (x, y,
// z, w) of its loops,
//
//   out[x y z] = (accumulate: out[x y z] +) Σ_w a[x y w] · b[x z w]         x batch, y left, z right, w contracted
struct PlanView {
  std::size_t buffer = 0;
  std::ptrdiff_t offset = 0;
  std::vector<std::ptrdiff_t> slice_strides;  // one per slice of the plan
};

struct PlanLoop {
  std::size_t size = 0;
  std::ptrdiff_t a = 0, b = 0, out = 0;  // strides
  std::ptrdiff_t slice = -1;             // the slice whose current part gives the size, or −1
};

enum class StepKernel { kGemm, kSmall, kGemv, kDot, kMultiply, kReduce, kCopy };

struct PlanStep {
  StepKernel kernel = StepKernel::kGemm;
  PlanView a, b, out;
  bool has_b = false;
  std::vector<PlanLoop> batch, left, right, contracted;
  bool accumulate = false;
  std::vector<std::size_t> release;  // buffers that no later step of the pass reads
  std::uint64_t points = 0;
};

struct PlanSlice {
  std::size_t size = 0, chunk = 0, count = 0;
};

enum class Strategy { kBlocked, kTtgt, kLoops };

struct ContractionPlan {
  DType dtype = DType::kFloat64;
  Strategy strategy = Strategy::kBlocked;
  std::vector<OperandLayout> operands;
  std::vector<std::size_t> buffer_elements;  // operands first, the output last
  std::size_t peak_elements = 0;             // of intermediates and output alive at once
  std::vector<PlanSlice> slices;
  std::vector<PlanStep> once, steps;
  std::size_t output = 0;  // buffer
  bool zero_output = false;
  bool strip_exponent = false;
  std::uint64_t points = 0;  // index combinations of all steps and slices: the unit of progress
};

}  // namespace tensim
