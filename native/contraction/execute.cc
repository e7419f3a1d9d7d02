#include "execute.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "../core/assert.h"
#include "../core/scratch.h"
#include "blocked.h"
#include "elementwise.h"
#include "exponents.h"
#include "loops.h"
#include "pool.h"
#include "reduce.h"
#include "ttgt.h"

namespace tensim {
namespace {

// A buffer in use. Its true values are data · 2^exponent, and reading it multiplies by 2^−peak; both 0 unless exponents
// are stripped.
template <class T>
struct Held {
  Scratch<T> own;
  const T* read = nullptr;
  T* write = nullptr;
  std::size_t elements = 0;
  double exponent = 0;
  int peak = 0;
};

template <class T>
class Execution {
 public:
  Execution(const Context& context, const ContractionPlan& plan, const std::vector<const T*>& operands, T* output)
      : context_(context),
        plan_(plan),
        pool_(plan.peak_elements),
        held_(plan.buffer_elements.size()),
        parts_(plan.slices.size()) {
    for (std::size_t i = 0; i < operands.size(); ++i) held_[i].read = operands[i];
    Held<T>& out = held_[plan.output];
    out.read = out.write = output;
    out.elements = plan.buffer_elements[plan.output];
    out.exponent = -std::numeric_limits<double>::infinity();
    if (plan.zero_output) std::fill(output, output + out.elements, T(0));
  }

  double run() {
    if (plan_.strip_exponent) {
      for (std::size_t i = 0; i < plan_.operands.size(); ++i) {
        held_[i].peak = exponent_of<T>(largest_of_view(held_[i].read, plan_.operands[i]));
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
  void run_step(const PlanStep& step) {
    context_.control.throw_if_aborted();
    Held<T>& out = held_[step.out.buffer];
    if (out.write == nullptr) {
      out.elements = plan_.buffer_elements[step.out.buffer];
      out.own = pool_.take(out.elements);
      out.read = out.write = out.own.data();
      out.exponent = 0;
      out.peak = 0;
    }
    Product<T> product = place(step);
    if (plan_.strip_exponent) scale(step, product);
    if (!is_empty(product.batch) && !is_empty(product.left) && !is_empty(product.right)) compute(step, product);
    if (plan_.strip_exponent && !step.accumulate) out.peak = exponent_of<T>(largest(out.read, out.elements));
    for (std::size_t buffer : step.release) {
      pool_.give(std::move(held_[buffer].own));
      held_[buffer] = Held<T>{};
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
    const Held<T>& a = held_[step.a.buffer];
    Held<T>& out = held_[step.out.buffer];
    double exponent = a.exponent + a.peak;
    product.a_factor = power(-a.peak);
    if (step.has_b) {
      const Held<T>& b = held_[step.b.buffer];
      exponent += b.exponent + b.peak;
      product.b_factor = power(-b.peak);
    }
    if (step.accumulate && out.exponent > exponent) {
      product.a_factor *= power(exponent - out.exponent);
      return;
    }
    if (step.accumulate && std::isfinite(out.exponent)) {
      const T down = power(out.exponent - exponent);
      for (std::size_t i = 0; i < out.elements; ++i) out.write[i] *= down;
    }
    out.exponent = exponent;
  }

  static T power(double exponent) {
    return static_cast<T>(std::ldexp(1.0, static_cast<int>(std::max(exponent, -2000.0))));
  }

  void compute(const PlanStep& step, const Product<T>& product) const {
    switch (step.kernel) {
      case StepKernel::kReduce:
        return reduce_loops(context_, product);
      case StepKernel::kCopy:
      case StepKernel::kMultiply:
        return multiply_or_copy(context_, product);
      case StepKernel::kGemm:
      case StepKernel::kSmall:
      case StepKernel::kGemv:
      case StepKernel::kDot:
        return contract(step.kernel, product);
    }
    unreachable();
  }

  // A product with contracted loops, by the plan's strategy.
  void contract(StepKernel kernel, const Product<T>& product) const {
    switch (plan_.strategy) {
      case Strategy::kLoops:
        return loops_product(context_, product);
      case Strategy::kTtgt:
        return ttgt_product(context_, product);
      case Strategy::kBlocked:
        if (kernel == StepKernel::kSmall) return small_product(context_, product);
        if (kernel == StepKernel::kGemm) return blocked_product(context_, product);
        return vector_product(context_, product);
    }
    unreachable();
  }

  double normalise_output() {
    Held<T>& out = held_[plan_.output];
    const double most = largest(out.read, out.elements);
    if (most == 0 || !std::isfinite(out.exponent)) return 0;
    const int peak = exponent_of<T>(most);
    for (std::size_t i = 0; i < out.elements; ++i)
      out.write[i] = static_cast<T>(std::ldexp(static_cast<double>(out.write[i]), -peak));
    return out.exponent + peak;
  }

  const Context& context_;
  const ContractionPlan& plan_;
  BufferPool<T> pool_;
  std::vector<Held<T>> held_;
  std::vector<std::size_t> parts_;  // the current part of every slice
};

}  // namespace

template <class T>
double execute_plan(const Context& context, const ContractionPlan& plan, const std::vector<const T*>& operands,
                    T* output) {
  context.control.expect(plan.points);
  return Execution<T>(context, plan, operands, output).run();
}

template double execute_plan<double>(const Context&, const ContractionPlan&, const std::vector<const double*>&,
                                     double*);
template double execute_plan<float>(const Context&, const ContractionPlan&, const std::vector<const float*>&, float*);

}  // namespace tensim
