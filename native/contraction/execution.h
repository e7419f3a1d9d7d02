#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

#include "../core/control.h"
#include "exponents.h"
#include "product.h"

namespace tensim {

// How a step is computed, by its kernel and the plan's strategy for products with contracted loops.
enum class StepMethod { kReduce, kElementwise, kLoops, kTtgt, kSmall, kBlocked, kVector };

inline StepMethod method_of(StepKernel kernel, Strategy strategy) {
  if (kernel == StepKernel::kReduce) return StepMethod::kReduce;
  if (kernel == StepKernel::kCopy || kernel == StepKernel::kMultiply) return StepMethod::kElementwise;
  if (strategy == Strategy::kLoops) return StepMethod::kLoops;
  if (strategy == Strategy::kTtgt) return StepMethod::kTtgt;
  if (kernel == StepKernel::kSmall) return StepMethod::kSmall;
  return kernel == StepKernel::kGemm ? StepMethod::kBlocked : StepMethod::kVector;
}

// A buffer in use. Its true values are data · 2^exponent, and reading it multiplies by 2^−peak; both 0 unless exponents
// are stripped.
template <class T, class Buffer>
struct Held {
  Buffer own;
  const T* read = nullptr;
  T* write = nullptr;
  std::size_t elements = 0;
  double exponent = 0;
  int peak = 0;
};

// Runs a plan on memory of some kind:
//
//   class Memory {
//     using Buffer = …;                                  // movable, with data() and size()
//     Buffer take(std::size_t elements);
//     void give(Buffer);
//     // The operand's elements where they lie, and where they may be written; null if they may not.
//     const T* operand(std::size_t i);
//     T* writable(std::size_t i);
//     double largest_of_operand(std::size_t i);          // its largest magnitude
//     double largest(const T* data, std::size_t elements);
//     void clear(T* data, std::size_t elements);
//     void scale(T* data, std::size_t elements, T factor);
//     void compute(StepMethod, const Product<T>&);
//     // Whether buffers are scaled where they lie, once, instead of whenever they are read.
//     static constexpr bool kScalesInPlace;
//   };
template <class T, class Memory>
class Execution {
 public:
  // `output` has the elements of the output buffer and need not be initialised.
  Execution(const Control& control, const ContractionPlan& plan, Memory& memory, T* output)
      : control_(control),
        plan_(plan),
        memory_(memory),
        held_(plan.buffer_elements.size()),
        parts_(plan.slices.size()) {
    for (std::size_t i = 0; i < plan.operands.size(); ++i) {
      held_[i].read = memory.operand(i);
      held_[i].write = memory.writable(i);
      held_[i].elements = plan.operands[i].elements;
    }
    Buffer& out = held_[plan.output];
    out.read = out.write = output;
    out.elements = plan.buffer_elements[plan.output];
    out.exponent = -std::numeric_limits<double>::infinity();
    if (plan.zero_output) memory.clear(output, out.elements);
  }

  // Returns the exponent of the output.
  double run() {
    if (plan_.strip_exponent) {
      for (std::size_t i = 0; i < plan_.operands.size(); ++i) {
        measure(held_[i], memory_.largest_of_operand(i));
      }
    }
    for (const PlanStep& step : plan_.once) run_step(step);
    std::size_t passes = 1;
    for (const PlanSlice& slice : plan_.slices) passes *= slice.count;
    for (std::size_t pass = 0; pass < passes; ++pass) {
      std::size_t rest = pass;
      for (std::size_t s = plan_.slices.size(); s-- > 0; rest /= plan_.slices[s].count)
        parts_[s] = rest % plan_.slices[s].count;
      for (const PlanStep& step : plan_.steps) run_step(step);
    }
    return plan_.strip_exponent ? normalise_output() : 0;
  }

 private:
  using Buffer = Held<T, typename Memory::Buffer>;

  void run_step(const PlanStep& step) {
    control_.throw_if_aborted();
    Buffer& out = held_[step.out.buffer];
    if (out.write == nullptr) {
      out.elements = plan_.buffer_elements[step.out.buffer];
      out.own = memory_.take(out.elements);
      out.read = out.write = out.own.data();
      out.exponent = 0;
      out.peak = 0;
    }
    Product<T> product = place(step);
    if (plan_.strip_exponent) scale(step, product);
    if (!is_empty(product.batch) && !is_empty(product.left) && !is_empty(product.right))
      memory_.compute(method_of(step.kernel, plan_.strategy), product);
    if (plan_.strip_exponent && !step.accumulate) measure(out, memory_.largest(out.read, out.elements));
    for (std::size_t buffer : step.release) {
      memory_.give(std::move(held_[buffer].own));
      held_[buffer] = Buffer{};
    }
  }

  Product<T> place(const PlanStep& step) const {
    Product<T> product;
    product.batch = bundle(step.batch);
    product.left = bundle(step.left);
    product.right = bundle(step.right);
    product.contracted = bundle(step.contracted);
    product.accumulate = step.accumulate;
    product.a = held_[step.a.buffer].read;
    if (step.has_b) {
      product.b = held_[step.b.buffer].read;
    } else {
      clear(product, &Loop::b);
    }
    product.out = held_[step.out.buffer].write;
    if (is_empty(product.batch) || is_empty(product.left) || is_empty(product.right)) return product;
    product.out += offset(step.out);
    if (is_empty(product.contracted)) {
      // Nothing is read, so the views of the inputs may lead anywhere.
      clear(product, &Loop::a);
      clear(product, &Loop::b);
      return product;
    }
    product.a += offset(step.a);
    if (step.has_b) product.b += offset(step.b);
    return product;
  }

  static void clear(Product<T>& product, std::ptrdiff_t Loop::*stride) {
    for (Bundle* bundle : {&product.batch, &product.left, &product.right, &product.contracted}) {
      for (Loop& loop : *bundle) loop.*stride = 0;
    }
  }

  static bool is_empty(const Bundle& bundle) {
    return std::any_of(bundle.begin(), bundle.end(), [](const Loop& loop) { return loop.size == 0; });
  }

  std::ptrdiff_t offset(const PlanView& view) const {
    std::ptrdiff_t at = view.offset;
    for (std::size_t s = 0; s < parts_.size(); ++s)
      at += view.slice_strides[s] * static_cast<std::ptrdiff_t>(parts_[s]);
    return at;
  }

  Bundle bundle(const std::vector<PlanLoop>& loops) const {
    Bundle bundle;
    for (const PlanLoop& loop : loops) {
      std::size_t size = loop.size;
      if (loop.slice >= 0) {
        const auto s = static_cast<std::size_t>(loop.slice);
        size = std::min(plan_.slices[s].chunk, plan_.slices[s].size - parts_[s] * plan_.slices[s].chunk);
      }
      bundle.push_back({size, loop.a, loop.b, loop.out});
    }
    return bundle;
  }

  // Sets the factors that bring both inputs below 1, and keeps account of the exponents that go with them.
  void scale(const PlanStep& step, Product<T>& product) {
    const Buffer& a = held_[step.a.buffer];
    Buffer& out = held_[step.out.buffer];
    double exponent = a.exponent + a.peak;
    product.a_factor = power(-a.peak);
    if (step.has_b) {
      const Buffer& b = held_[step.b.buffer];
      exponent += b.exponent + b.peak;
      product.b_factor = power(-b.peak);
    }
    if (step.accumulate && out.exponent > exponent) {
      product.a_factor *= power(exponent - out.exponent);
      return;
    }
    if (step.accumulate && std::isfinite(out.exponent)) {
      memory_.scale(out.write, out.elements, power(out.exponent - exponent));
    }
    out.exponent = exponent;
  }

  static T power(double exponent) {
    return static_cast<T>(std::ldexp(1.0, static_cast<int>(std::max(exponent, -2000.0))));
  }

  // Takes note of the largest magnitude in a buffer.
  void measure(Buffer& held, double most) {
    const int peak = exponent_of<T>(most);
    if constexpr (Memory::kScalesInPlace) {
      if (peak != 0) memory_.scale(held.write, held.elements, power(-peak));
      held.exponent += peak;
    } else {
      held.peak = peak;
    }
  }

  double normalise_output() {
    Buffer& out = held_[plan_.output];
    const double most = memory_.largest(out.read, out.elements);
    if (most == 0 || !std::isfinite(out.exponent)) return 0;
    const int peak = exponent_of<T>(most);
    memory_.scale(out.write, out.elements, power(-peak));
    return out.exponent + peak;
  }

  const Control& control_;
  const ContractionPlan& plan_;
  Memory& memory_;
  std::vector<Buffer> held_;
  std::vector<std::size_t> parts_;  // the current part of every slice
};

}  // namespace tensim
