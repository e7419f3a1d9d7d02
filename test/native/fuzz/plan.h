// Contraction plans made of bytes: whatever the bytes are, a plan is refused with a code, or runs and touches nothing
// outside of its buffers, which sanitizers watch over. Shared by the fuzzer and by the tests that read its corpus
// again.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "contraction/execute.h"
#include "contraction/plan_check.h"
#include "core/error.h"

namespace tensim::fuzz {

// Bytes one after the other; zeros behind the last.
class Bytes {
 public:
  Bytes(const std::uint8_t* data, std::size_t size) : at_(data), end_(data + size) {}
  std::size_t next() { return at_ == end_ ? 0 : *at_++; }
  std::size_t below(std::size_t count) { return next() % count; }
  bool flag() { return (next() & 1) != 0; }

 private:
  const std::uint8_t* at_;
  const std::uint8_t* end_;
};

// A plan of one to three steps that is right for the most part, then changed in a few of its numbers.
class PlanMaker {
 public:
  explicit PlanMaker(Bytes bytes) : bytes_(bytes) {}

  ContractionPlan make() {
    // First of all bytes, so that short inputs have changes too.
    std::vector<Change> changes(bytes_.below(5));
    for (Change& one : changes) one = {bytes_.next() + 256 * bytes_.next(), bytes_.next()};
    plan_.dtype = bytes_.flag() ? DType::kFloat32 : DType::kFloat64;
    plan_.strategy = static_cast<Strategy>(bytes_.below(3));
    plan_.strip_exponent = bytes_.below(4) == 1;
    operands_ = bytes_.below(3) + 1;
    const std::size_t steps = bytes_.below(3) + 1, once = bytes_.below(4) == 1 ? 1 : 0;
    for (std::size_t slices = bytes_.below(4); slices > 1; --slices) {
      const std::size_t size = bytes_.below(6), chunk = bytes_.below(4) + 1;
      plan_.slices.push_back({size, chunk, (size + chunk - 1) / chunk});
    }
    plan_.operands.resize(operands_);
    plan_.output = operands_ + steps - 1;
    plan_.buffer_elements.resize(plan_.output + 1);
    plan_.zero_output = bytes_.flag() || !plan_.slices.empty();
    for (std::size_t i = 0; i < steps; ++i) (i < once ? plan_.once : plan_.steps).push_back(step(operands_ + i));
    for (std::size_t i = 0; i < operands_; ++i) {
      OperandLayout& layout = plan_.operands[i];
      layout.elements = plan_.buffer_elements[i];
      layout.axes = {{layout.elements, 1, 0, 0}};
    }
    change(changes);
    return plan_;
  }

 private:
  struct Change {
    std::size_t place = 0, way = 0;
  };

  std::size_t size() {
    const std::size_t byte = bytes_.next();
    return byte < 200 ? byte % 6 : byte < 240 ? byte % 40 : byte % 100;
  }

  std::vector<PlanLoop> loops(std::size_t most) {
    std::vector<PlanLoop> made(bytes_.below(most + 1));
    for (PlanLoop& loop : made) {
      loop.size = size();
      if (plan_.slices.empty() || bytes_.below(3) > 0) continue;
      loop.slice = static_cast<std::ptrdiff_t>(bytes_.below(plan_.slices.size()));
      loop.size = plan_.slices[static_cast<std::size_t>(loop.slice)].chunk;
    }
    return made;
  }

  PlanStep step(std::size_t out) {
    PlanStep step;
    step.kernel = static_cast<StepKernel>(bytes_.below(7));
    const bool sums = step.kernel != StepKernel::kMultiply && step.kernel != StepKernel::kCopy;
    const bool single = step.kernel == StepKernel::kReduce || step.kernel == StepKernel::kCopy;
    step.has_b = !single;
    step.batch = loops(3);
    if (sums) step.contracted = loops(2);
    if (sums && !single) {
      const bool vector = step.kernel == StepKernel::kGemv, dot = step.kernel == StepKernel::kDot;
      if (!dot) step.left = loops(2);
      if (!dot && !vector) step.right = loops(2);
    }
    step.a = view(bytes_.below(out), &PlanLoop::a, {&step.batch, &step.left, &step.contracted});
    if (step.has_b) step.b = view(bytes_.below(out), &PlanLoop::b, {&step.batch, &step.right, &step.contracted});
    step.out = view(out, &PlanLoop::out, {&step.batch, &step.left, &step.right});
    step.accumulate = out == plan_.output && plan_.zero_output && (bytes_.flag() || !plan_.slices.empty());
    if (out == plan_.output && bytes_.flag()) {
      for (std::size_t buffer = operands_; buffer < out; ++buffer) step.release.push_back(buffer);
    }
    return step;
  }

  // Contiguous over the loops, in their order or the other way round, or with strides that are as they may be; the
  // buffer becomes as large as the view needs.
  PlanView view(std::size_t buffer, std::ptrdiff_t PlanLoop::*stride, std::vector<std::vector<PlanLoop>*> lists) {
    PlanView view;
    view.buffer = buffer;
    view.slice_strides.assign(plan_.slices.size(), 0);
    std::vector<PlanLoop*> all;
    for (auto* list : lists) {
      for (PlanLoop& loop : *list) all.push_back(&loop);
    }
    const std::size_t way = bytes_.next();
    if ((way & 1) != 0) std::reverse(all.begin(), all.end());
    std::ptrdiff_t next = 1, lowest = 0, highest = 0;
    for (auto at = all.rbegin(); at != all.rend(); ++at) {
      PlanLoop& loop = **at;
      const PlanSlice* slice = loop.slice < 0 ? nullptr : &plan_.slices[static_cast<std::size_t>(loop.slice)];
      const auto whole = static_cast<std::ptrdiff_t>(slice == nullptr ? loop.size : slice->size);
      loop.*stride = (way & 2) != 0 ? static_cast<std::ptrdiff_t>(bytes_.below(9)) - 2 : next;
      next *= std::max<std::ptrdiff_t>(whole, 1);
      // Of several loops over one slice, the last decides.
      if (slice != nullptr)
        view.slice_strides[static_cast<std::size_t>(loop.slice)] +=
            loop.*stride * static_cast<std::ptrdiff_t>(slice->chunk);
      const std::ptrdiff_t span = std::max<std::ptrdiff_t>(whole - 1, 0) * (loop.*stride);
      (span < 0 ? lowest : highest) += span;
    }
    view.offset = -lowest;
    std::size_t& elements = plan_.buffer_elements[buffer];
    elements = std::max(elements, static_cast<std::size_t>(highest - lowest + 1));
    return view;
  }

  // Every number of the plan.
  struct Numbers {
    std::vector<std::size_t*> sizes;
    std::vector<std::ptrdiff_t*> strides;
  };
  Numbers numbers() {
    Numbers found;
    const auto view = [&](PlanView& one) {
      found.sizes.push_back(&one.buffer);
      found.strides.push_back(&one.offset);
      for (std::ptrdiff_t& stride : one.slice_strides) found.strides.push_back(&stride);
    };
    for (auto* steps : {&plan_.once, &plan_.steps}) {
      for (PlanStep& step : *steps) {
        view(step.a);
        view(step.b);
        view(step.out);
        for (auto* loops : {&step.batch, &step.left, &step.right, &step.contracted}) {
          for (PlanLoop& loop : *loops) {
            found.sizes.push_back(&loop.size);
            for (std::ptrdiff_t* stride : {&loop.a, &loop.b, &loop.out, &loop.slice}) found.strides.push_back(stride);
          }
        }
        for (std::size_t& buffer : step.release) found.sizes.push_back(&buffer);
      }
    }
    for (PlanSlice& slice : plan_.slices) {
      for (std::size_t* part : {&slice.size, &slice.chunk, &slice.count}) found.sizes.push_back(part);
    }
    for (OperandLayout& layout : plan_.operands) {
      found.sizes.push_back(&layout.elements);
      found.strides.push_back(&layout.offset);
      for (Loop& axis : layout.axes) {
        found.sizes.push_back(&axis.size);
        found.strides.push_back(&axis.a);
      }
    }
    for (std::size_t& elements : plan_.buffer_elements) found.sizes.push_back(&elements);
    found.sizes.push_back(&plan_.output);
    found.sizes.push_back(&plan_.peak_elements);
    return found;
  }

  // What the reader of plans lets through: whole numbers that JavaScript counts exactly.
  void change(const std::vector<Change>& changes) {
    static constexpr std::int64_t kExact = (std::int64_t{1} << 53) - 1;
    static const std::int64_t kOdd[] = {0,      1,       2,         3,         -1,        -2,        1 << 16,
                                        kExact, -kExact, 1LL << 21, 1LL << 32, 1LL << 40, 1LL << 43, -(1LL << 40)};
    for (const auto [at, way] : changes) {
      const Numbers found = numbers();
      const auto changed = [way = way](std::int64_t value) {
        value = way < 64    ? value + 1
                : way < 128 ? value - 1
                : way < 192 ? static_cast<std::int64_t>(way - 128)
                            : kOdd[way % (sizeof kOdd / sizeof *kOdd)];
        return std::clamp(value, -kExact, kExact);
      };
      const std::size_t index = at % (found.sizes.size() + found.strides.size());
      if (index < found.sizes.size()) {
        std::size_t& size = *found.sizes[index];
        size = static_cast<std::size_t>(std::max<std::int64_t>(0, changed(static_cast<std::int64_t>(size))));
      } else {
        std::ptrdiff_t& stride = *found.strides[index - found.sizes.size()];
        stride = changed(stride);
      }
    }
    for (auto* steps : {&plan_.once, &plan_.steps}) {
      for (PlanStep& step : *steps) {
        const std::size_t byte = bytes_.next();
        if (byte > 250) step.accumulate = !step.accumulate;
        if (byte > 240 && byte < 248) step.kernel = static_cast<StepKernel>(byte - 241);
        if (byte > 236 && byte <= 240) step.has_b = !step.has_b;
      }
    }
  }

  Bytes bytes_;
  ContractionPlan plan_;
  std::size_t operands_ = 0;
};

// Whether a plan is small enough to be run thousands of times a second.
inline bool is_small(const ContractionPlan& plan) {
  constexpr double kMostPoints = 20'000, kMostElements = 20'000;
  double passes = 1;
  for (const PlanSlice& slice : plan.slices) passes *= static_cast<double>(slice.count);
  double points = 0;
  for (const auto* steps : {&plan.once, &plan.steps}) {
    for (const PlanStep& step : *steps) {
      double one = 1;
      for (const auto* loops : {&step.batch, &step.left, &step.right, &step.contracted}) {
        for (const PlanLoop& loop : *loops) one *= static_cast<double>(std::max<std::size_t>(loop.size, 1));
      }
      points += one * std::max(passes, 1.0);
    }
  }
  double elements = 0;
  for (std::size_t buffer : plan.buffer_elements) elements += static_cast<double>(buffer);
  for (const OperandLayout& layout : plan.operands) {
    elements += static_cast<double>(layout.elements);
    double axes = 1;
    for (const Loop& axis : layout.axes) axes *= static_cast<double>(std::max<std::size_t>(axis.size, 1));
    elements += axes;
  }
  return points <= kMostPoints && passes <= kMostPoints && elements <= kMostElements;
}

enum class Outcome { kRefused, kAccepted, kRun };

template <class T>
void run_small(const Context& context, const ContractionPlan& plan) {
  std::vector<std::unique_ptr<T[]>> memory;
  std::vector<const T*> operands;
  for (const OperandLayout& layout : plan.operands) {
    memory.emplace_back(new T[layout.elements]);
    for (std::size_t i = 0; i < layout.elements; ++i) memory.back()[i] = static_cast<T>(i % 7) - 3;
    operands.push_back(memory.back().get());
  }
  std::unique_ptr<T[]> output(new T[plan.buffer_elements[plan.output]]());
  execute_plan<T>(context, plan, operands, output.get());
}

// What comes of a plan; aborts where that is not as it should be.
inline Outcome outcome_of_plan(const Context& context, const std::uint8_t* data, std::size_t size) {
  const ContractionPlan plan = PlanMaker(Bytes(data, size)).make();
  try {
    check_plan(plan);
  } catch (const Error& error) {
    if (std::string(error.code()) != "INVALID_ARGUMENT") std::abort();
    return Outcome::kRefused;
  }
  if (!is_small(plan)) return Outcome::kAccepted;
  if (plan.dtype == DType::kFloat64) {
    run_small<double>(context, plan);
  } else {
    run_small<float>(context, plan);
  }
  return Outcome::kRun;
}

}  // namespace tensim::fuzz
