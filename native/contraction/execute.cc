#include "execute.h"

#include "../core/assert.h"
#include "../core/scratch.h"
#include "blocked.h"
#include "elementwise.h"
#include "execution.h"
#include "loops.h"
#include "pool.h"
#include "reduce.h"
#include "ttgt.h"

namespace tensim {
namespace {

// Operands where the caller has them, and buffers beside them.
template <class T>
class HostMemory {
 public:
  using Buffer = Scratch<T>;
  static constexpr bool kScalesInPlace = false;

  HostMemory(const Context& context, const ContractionPlan& plan, const std::vector<const T*>& operands)
      : context_(context), plan_(plan), operands_(operands), pool_(plan.peak_elements) {}

  Buffer take(std::size_t elements) {
    return pool_.take(elements, [&] { return Buffer(elements); });
  }
  void give(Buffer buffer) { pool_.give(std::move(buffer)); }
  const T* operand(std::size_t i) const { return operands_[i]; }
  static T* writable(std::size_t) { return nullptr; }
  double largest_of_operand(std::size_t i) const { return largest_of_view(operands_[i], plan_.operands[i]); }
  static double largest(const T* data, std::size_t elements) { return tensim::largest(data, elements); }
  static void clear(T* data, std::size_t elements) { std::fill(data, data + elements, T(0)); }
  static void scale(T* data, std::size_t elements, T factor) {
    for (std::size_t i = 0; i < elements; ++i) data[i] *= factor;
  }

  void compute(StepMethod method, const Product<T>& product) const {
    switch (method) {
      case StepMethod::kReduce:
        return reduce_loops(context_, product);
      case StepMethod::kElementwise:
        return multiply_or_copy(context_, product);
      case StepMethod::kLoops:
        return loops_product(context_, product);
      case StepMethod::kTtgt:
        return ttgt_product(context_, product);
      case StepMethod::kSmall:
        return small_product(context_, product);
      case StepMethod::kBlocked:
        return blocked_product(context_, product);
      case StepMethod::kVector:
        return vector_product(context_, product);
    }
    unreachable();
  }

 private:
  const Context& context_;
  const ContractionPlan& plan_;
  const std::vector<const T*>& operands_;
  BufferPool<Buffer> pool_;
};

}  // namespace

template <class T>
double execute_plan(const Context& context, const ContractionPlan& plan, const std::vector<const T*>& operands,
                    T* output) {
  context.control.expect(plan.points);
  HostMemory<T> memory(context, plan, operands);
  return Execution<T, HostMemory<T>>(context.control, plan, memory, output).run();
}

template double execute_plan<double>(const Context&, const ContractionPlan&, const std::vector<const double*>&,
                                     double*);
template double execute_plan<float>(const Context&, const ContractionPlan&, const std::vector<const float*>&, float*);

}  // namespace tensim
