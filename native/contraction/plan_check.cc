#include "plan_check.h"

#include <algorithm>
#include <string>

#include "../core/error.h"

namespace tensim {
namespace {

[[noreturn]] void refuse(const std::string& message) {
  throw Error("INVALID_ARGUMENT", message);
}

// What JavaScript counts exactly, and doubles too: products of sizes and strides are told by these as long as they stay
// below, and more is no number that the computation can count to.
constexpr double kMost = 9007199254740991.0;

// The range of offsets that strides reach, in doubles: exact far beyond any memory, and never overflowing.
struct Reach {
  double lowest = 0, highest = 0;

  // Loops of size 0 reach nothing, but a place that they could count from must be one.
  void add(std::size_t size, std::ptrdiff_t stride) {
    if (size == 0) return;
    const double span = static_cast<double>(size - 1) * static_cast<double>(stride);
    (span < 0 ? lowest : highest) += span;
  }
  bool countable(double offset) const { return offset + lowest >= -kMost && offset + highest <= kMost; }
  bool within(double offset, std::size_t elements) const {
    return offset + lowest >= 0 && offset + highest < static_cast<double>(elements);
  }
};

// Of a step, the loops whose elements a view has; the strides of others are not looked at by any kernel.
using LoopLists = std::vector<const std::vector<PlanLoop>*>;

// The size of a loop in a part of its slice; the last may be shorter.
std::size_t size_in(const PlanLoop& loop, const PlanSlice& slice, std::size_t part) {
  return part + 1 == slice.count ? std::min(loop.size, slice.size - part * slice.chunk) : loop.size;
}

// Whether there is nothing to do: a loop of size 0, or a slice without parts.
bool is_empty(const ContractionPlan& plan, const LoopLists& lists) {
  const auto nothing = [&](const PlanLoop& loop) {
    return loop.size == 0 || (loop.slice >= 0 && plan.slices[static_cast<std::size_t>(loop.slice)].size == 0);
  };
  return std::any_of(lists.begin(), lists.end(),
                     [&](const auto* loops) { return std::any_of(loops->begin(), loops->end(), nothing); });
}

// The furthest offsets that a view reaches over its loops and all parts of all slices.
void check_view(const ContractionPlan& plan, const PlanView& view, std::ptrdiff_t PlanLoop::*stride,
                const LoopLists& lists) {
  if (view.buffer >= plan.buffer_elements.size()) refuse("a view of a buffer that is not there");
  if (view.slice_strides.size() != plan.slices.size()) refuse("a view needs a stride per slice");
  Reach all;
  for (const auto* loops : lists) {
    for (const PlanLoop& loop : *loops) {
      if (loop.slice < 0) all.add(loop.size, loop.*stride);
    }
  }
  for (std::size_t s = 0; s < plan.slices.size(); ++s) {
    const PlanSlice& slice = plan.slices[s];
    const std::size_t count = slice.count;
    double lowest = 0, highest = 0;
    // Offsets grow evenly over the full parts, so the first and last of them and the shorter part at the end are the
    // extremes.
    for (std::size_t part : {std::size_t{0}, count > 1 ? count - 2 : 0, count > 0 ? count - 1 : 0}) {
      Reach reach;
      for (const auto* loops : lists) {
        for (const PlanLoop& loop : *loops) {
          if (loop.slice == static_cast<std::ptrdiff_t>(s)) reach.add(size_in(loop, slice, part), loop.*stride);
        }
      }
      const double start = static_cast<double>(part) * static_cast<double>(view.slice_strides[s]);
      lowest = part == 0 ? start + reach.lowest : std::min(lowest, start + reach.lowest);
      highest = part == 0 ? start + reach.highest : std::max(highest, start + reach.highest);
    }
    all.lowest += lowest;
    all.highest += highest;
  }
  const auto offset = static_cast<double>(view.offset);
  // What is never touched need not be there.
  const bool fits =
      is_empty(plan, lists) ? all.countable(offset) : all.within(offset, plan.buffer_elements[view.buffer]);
  if (!fits) refuse("a view reaches outside its buffer");
}

// The index combinations of loops, where those of size 0 count as 1: so no part of the product is larger.
double combinations(const LoopLists& lists) {
  double product = 1;
  for (const auto* loops : lists) {
    for (const PlanLoop& loop : *loops) product *= static_cast<double>(std::max<std::size_t>(loop.size, 1));
  }
  return product;
}

void check_loops(const ContractionPlan& plan, const PlanStep& step) {
  const auto slices = static_cast<std::ptrdiff_t>(plan.slices.size());
  const LoopLists lists{&step.batch, &step.left, &step.right, &step.contracted};
  for (const auto* loops : lists) {
    for (const PlanLoop& loop : *loops) {
      if (loop.slice < -1 || loop.slice >= slices) refuse("a loop over a slice that is not there");
      if (loop.slice >= 0 && plan.slices[static_cast<std::size_t>(loop.slice)].chunk > loop.size)
        refuse("a sliced loop must have the size of its largest part");
    }
  }
  if (combinations(lists) > kMost) refuse("a step has more combinations of its loops than can be counted");
}

void check_step(const ContractionPlan& plan, const PlanStep& step) {
  const bool single = step.kernel == StepKernel::kReduce || step.kernel == StepKernel::kCopy;
  const bool sums = step.kernel != StepKernel::kMultiply && step.kernel != StepKernel::kCopy;
  if (!step.has_b && !single) refuse("a product needs two inputs");
  check_loops(plan, step);
  if ((single || !sums) && !(step.left.empty() && step.right.empty()))
    refuse("only products with contracted loops have loops of one input");
  if (!sums && !step.contracted.empty()) refuse("a step that sums nothing has no contracted loops");
  if (step.kernel == StepKernel::kGemv || step.kernel == StepKernel::kDot) {
    if (combinations({&step.left}) > 1 && combinations({&step.right}) > 1)
      refuse("a matrix times a vector has loops of one input");
  }
  check_view(plan, step.a, &PlanLoop::a, {&step.batch, &step.left, &step.contracted});
  if (step.has_b) check_view(plan, step.b, &PlanLoop::b, {&step.batch, &step.right, &step.contracted});
  check_view(plan, step.out, &PlanLoop::out, {&step.batch, &step.left, &step.right});
  if (step.out.buffer < plan.operands.size()) refuse("a step may not write to an operand");
  for (std::size_t buffer : step.release) {
    if (buffer < plan.operands.size() || buffer >= plan.output) refuse("only intermediates are released");
  }
}

void check_operand(const OperandLayout& layout, std::size_t buffer_elements) {
  Reach reach;
  double size = 1;
  bool empty = false;
  for (const Loop& axis : layout.axes) {
    reach.add(axis.size, axis.a);
    size *= static_cast<double>(std::max<std::size_t>(axis.size, 1));
    empty = empty || axis.size == 0;
  }
  const auto offset = static_cast<double>(layout.offset);
  const bool fits = size <= kMost && (empty ? reach.countable(offset) : reach.within(offset, layout.elements));
  if (!fits) refuse("the layout of an operand reaches outside its elements");
  if (buffer_elements > layout.elements) refuse("the buffer of an operand is larger than its layout");
}

void check_slices(const std::vector<PlanSlice>& slices) {
  double passes = 1;
  for (const PlanSlice& slice : slices) {
    const bool whole = slice.chunk > 0 && slice.count == (slice.size + slice.chunk - 1) / slice.chunk;
    if (!whole) refuse("the parts of a slice must make up its size");
    passes *= static_cast<double>(std::max<std::size_t>(slice.count, 1));
  }
  if (passes > kMost) refuse("the slices have more parts than can be counted");
}

// Every buffer is written before it is read, and not used after its release.
void check_lifetimes(const ContractionPlan& plan) {
  std::vector<bool> alive(plan.buffer_elements.size(), false);
  std::fill_n(alive.begin(), plan.operands.size(), true);
  alive[plan.output] = plan.zero_output;
  // A second pass over `steps` shows what one pass leaves to the next.
  for (const auto* steps : {&plan.once, &plan.steps, &plan.steps}) {
    for (const PlanStep& step : *steps) {
      const bool reads =
          alive[step.a.buffer] && (!step.has_b || alive[step.b.buffer]) && (!step.accumulate || alive[step.out.buffer]);
      if (!reads) refuse("a step reads a buffer that holds nothing yet");
      alive[step.out.buffer] = true;
      for (std::size_t buffer : step.release) alive[buffer] = false;
    }
  }
}

}  // namespace

void check_plan(const ContractionPlan& plan) {
  if (plan.buffer_elements.empty() || plan.output + 1 != plan.buffer_elements.size() ||
      plan.operands.size() > plan.output) {
    refuse("the buffers of a plan are its operands, its intermediates and its output");
  }
  for (std::size_t i = 0; i < plan.operands.size(); ++i) check_operand(plan.operands[i], plan.buffer_elements[i]);
  check_slices(plan.slices);
  for (const auto* steps : {&plan.once, &plan.steps}) {
    for (const PlanStep& step : *steps) check_step(plan, step);
  }
  check_lifetimes(plan);
}

}  // namespace tensim
