// Contractions of the CUDA backend on the host: its kernels under the emulation of native/cuda/grid.h, or the library
// itself on a GPU (emulated_cuda.h), against plans on the CPU.
#include <algorithm>
#include <cmath>

#include "addon/cuda/contraction.h"
#include "check.h"
#include "contraction/execute.h"
#include "contraction/plan_check.h"
#include "core/error.h"
#include "cuda/host_device.h"
#include "emulated_cuda.h"
#include "fuzz/plan.h"

namespace tensim::test {
namespace {

using cuda::HostDevice;
using cuda::LaunchLimits;
using cuda::ThreadOrder;

// The only device there is, as it was when this goes.
class Settings {
 public:
  Settings() : device_(HostDevice::at(0)), order_(device_.order), limits_(device_.limits), limit_(device_.limit) {}
  ~Settings() {
    device_.order = order_;
    device_.limits = limits_;
    device_.limit = limit_;
  }
  HostDevice* operator->() { return &device_; }

 private:
  HostDevice& device_;
  ThreadOrder order_;
  LaunchLimits limits_;
  std::size_t limit_;
};

constexpr unsigned kA = 1, kB = 2, kOut = 4;  // views

// A single step, whose operands lie in random orders of their axes, with gaps.
class StepMaker {
 public:
  StepMaker(unsigned seed, DType dtype, Strategy strategy) : random_(seed) {
    plan_.dtype = dtype;
    plan_.strategy = strategy;
  }

  ContractionPlan make(StepKernel kernel, const std::vector<std::size_t>& batch, const std::vector<std::size_t>& left,
                       const std::vector<std::size_t>& right, const std::vector<std::size_t>& contracted) {
    const bool pair = kernel != StepKernel::kReduce && kernel != StepKernel::kCopy;
    PlanStep step;
    step.kernel = kernel;
    step.has_b = pair;
    const unsigned b = pair ? kB : 0;
    add(step.batch, batch, kA | kOut | b);
    add(step.left, left, kA | kOut);
    add(step.right, right, kB | kOut);
    add(step.contracted, contracted, kA | b);
    const std::size_t output = pair ? 2 : 1;
    plan_.operands.resize(output);
    plan_.buffer_elements.resize(output + 1);
    place(step, step.a, kA, &PlanLoop::a, 0);
    if (pair) place(step, step.b, kB, &PlanLoop::b, 1);
    place(step, step.out, kOut, &PlanLoop::out, output);
    step.accumulate = random_.index(3) == 0;
    plan_.zero_output = true;
    plan_.output = output;
    for (std::size_t i = 0; i < output; ++i) {
      plan_.operands[i].elements = plan_.buffer_elements[i];
      plan_.operands[i].axes = {{plan_.buffer_elements[i], 1, 0, 0}};
    }
    plan_.points = 1;
    for (const auto* sizes : {&batch, &left, &right, &contracted}) {
      for (std::size_t size : *sizes) plan_.points *= size;
    }
    plan_.steps.push_back(step);
    return plan_;
  }

 private:
  struct Axis {
    PlanLoop* loop;
    unsigned views;
  };

  void add(std::vector<PlanLoop>& loops, const std::vector<std::size_t>& sizes, unsigned views) {
    loops.resize(sizes.size());
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      loops[i].size = sizes[i];
      views_.push_back(views);
    }
  }

  void place(PlanStep& step, PlanView& view, unsigned which, std::ptrdiff_t PlanLoop::*stride, std::size_t buffer) {
    std::vector<PlanLoop*> axes;
    std::size_t n = 0;
    for (auto* loops : {&step.batch, &step.left, &step.right, &step.contracted}) {
      for (PlanLoop& loop : *loops) {
        if ((views_[n++] & which) != 0) axes.push_back(&loop);
      }
    }
    if (random_.index(2) == 0) {
      for (std::size_t i = axes.size(); i > 1; --i) std::swap(axes[i - 1], axes[random_.index(i)]);
    }
    std::size_t size = 1;
    std::ptrdiff_t lowest = 0;
    for (auto axis = axes.rbegin(); axis != axes.rend(); ++axis) {
      (*axis)->*stride = static_cast<std::ptrdiff_t>(size);
      size *= std::max<std::size_t>((*axis)->size, 1);
      if (random_.index(5) == 0) size += random_.index(3);  // a gap
      if (which != kOut && random_.index(8) == 0) {
        lowest += static_cast<std::ptrdiff_t>((*axis)->size - 1) * ((*axis)->*stride);
        (*axis)->*stride *= -1;
      }
    }
    view.buffer = buffer;
    view.offset = lowest + static_cast<std::ptrdiff_t>(random_.index(3));
    plan_.buffer_elements[buffer] = size + 3;
  }

  Random random_;
  ContractionPlan plan_;
  std::vector<unsigned> views_;
};

template <class T>
struct Result {
  std::vector<T> data;
  double exponent = 0;
};

template <class T>
struct Operands {
  std::vector<std::vector<T>> data;
  std::vector<const T*> pointers;

  Operands(const ContractionPlan& plan, Random& random) {
    for (const OperandLayout& layout : plan.operands) data.push_back(random.vector<T>(layout.elements));
    for (const auto& values : data) pointers.push_back(values.data());
  }
};

template <class T>
Result<T> on_device(const Context& context, const ContractionPlan& plan, const Operands<T>& operands) {
  const std::size_t before = HostDevice::at(0).used();
  Result<T> result{std::vector<T>(plan.buffer_elements[plan.output], T(7)), 0};
  result.exponent = execute_plan_on_cuda<T>(context, api(), 0, false, plan, operands.pointers, result.data.data());
  CHECK(HostDevice::at(0).used() == before);
  return result;
}

// The device's result against the CPU's, with the threads of kernels one way and the other.
template <class T>
void check_plan_as(const ContractionPlan& plan, Random& random) {
  Alone alone(2);
  Settings settings;
  const Operands<T> operands(plan, random);
  Result<T> wanted{std::vector<T>(plan.buffer_elements[plan.output], T(7)), 0};
  wanted.exponent = execute_plan<T>(alone.context, plan, operands.pointers, wanted.data.data());
  double most = 0;
  for (T x : wanted.data) most = std::max(most, std::abs(static_cast<double>(x)));
  const double tolerance = sizeof(T) == sizeof(double) ? 1e-13 : 4e-6;
  for (ThreadOrder order : {ThreadOrder::kForward, ThreadOrder::kBackward}) {
    settings->order = order;
    const Result<T> found = on_device(alone.context, plan, operands);
    const double scale = std::ldexp(1.0, static_cast<int>(found.exponent - wanted.exponent));
    for (std::size_t i = 0; i < wanted.data.size(); ++i) {
      CHECK_CLOSE(static_cast<double>(found.data[i]) * scale, static_cast<double>(wanted.data[i]), tolerance,
                  std::max(most, 1.0));
    }
  }
}

void check_against_cpu(const ContractionPlan& plan, Random& random) {
  tensim::check_plan(plan);
  if (plan.dtype == DType::kFloat64) {
    check_plan_as<double>(plan, random);
  } else {
    check_plan_as<float>(plan, random);
  }
}

using Sizes = std::vector<std::size_t>;

struct Shape {
  StepKernel kernel;
  Sizes batch, left, right, contracted;
};

void check_shapes(const std::vector<Shape>& shapes, Strategy strategy) {
  Random random(11);
  unsigned seed = 1;
  for (DType dtype : {DType::kFloat64, DType::kFloat32}) {
    for (const Shape& shape : shapes) {
      for (int round = 0; round < 3; ++round) {
        StepMaker maker(++seed, dtype, strategy);
        check_against_cpu(maker.make(shape.kernel, shape.batch, shape.left, shape.right, shape.contracted), random);
      }
    }
  }
}

const std::vector<Shape>& products() {
  static const std::vector<Shape> shapes = {
      {StepKernel::kGemm, {}, {40}, {37}, {33}},        {StepKernel::kGemm, {}, {130}, {257}, {19}},
      {StepKernel::kGemm, {3}, {5, 9}, {4, 3}, {7, 6}}, {StepKernel::kGemm, {2, 2}, {3, 3, 5}, {33}, {2, 3, 4}},
      {StepKernel::kGemm, {}, {34}, {36}, {600}},  // a depth in parts
      {StepKernel::kGemm, {2}, {3}, {40}, {7, 90}},     {StepKernel::kGemm, {}, {33}, {33}, {1}},
      {StepKernel::kSmall, {6}, {4}, {5}, {3}},         {StepKernel::kSmall, {3, 2}, {2, 2}, {32}, {2, 3}},
  };
  return shapes;
}

// Whether a step writes no element twice, and all of an intermediate buffer at once: else the result is a matter of the
// order, or of what was in memory.
bool is_clear(const ContractionPlan& plan, const PlanStep& step) {
  std::vector<std::pair<std::ptrdiff_t, std::size_t>> axes;
  for (const auto* loops : {&step.batch, &step.left, &step.right}) {
    for (const PlanLoop& loop : *loops) {
      if (loop.slice >= 0 && step.out.buffer != plan.output) return false;
      if (loop.size != 1) axes.emplace_back(std::abs(loop.out), loop.size);
    }
  }
  std::sort(axes.begin(), axes.end());
  std::size_t size = 1;
  std::ptrdiff_t reach = 0;
  for (const auto& [stride, count] : axes) {
    if (stride <= reach || count == 0) return false;
    reach += stride * static_cast<std::ptrdiff_t>(count - 1);
    size *= count;
  }
  return step.out.buffer == plan.output || size == plan.buffer_elements[step.out.buffer];
}

}  // namespace

TEST(cuda_contraction_products_equal_the_cpu) {
  check_shapes(products(), Strategy::kBlocked);
}

TEST(cuda_contraction_other_strategies_equal_the_cpu) {
  check_shapes(products(), Strategy::kTtgt);
  check_shapes(products(), Strategy::kLoops);
}

TEST(cuda_contraction_vector_products_equal_the_cpu) {
  check_shapes(
      {
          {StepKernel::kGemv, {}, {70}, {}, {41}},
          {StepKernel::kGemv, {3}, {}, {50}, {5, 6}},
          {StepKernel::kGemv, {2}, {6, 7}, {}, {300}},
          {StepKernel::kGemv, {}, {3}, {}, {70000}},  // in parts
          {StepKernel::kDot, {}, {}, {}, {40000}},
          {StepKernel::kDot, {9, 2}, {}, {}, {13, 4}},
          {StepKernel::kReduce, {}, {}, {}, {50, 3}},
          {StepKernel::kReduce, {40, 3}, {}, {}, {5}},
          {StepKernel::kReduce, {3, 5}, {}, {}, {7, 40, 2}},
          {StepKernel::kReduce, {5}, {}, {}, {20000, 3}},
          {StepKernel::kReduce, {}, {}, {}, {1}},
      },
      Strategy::kBlocked);
}

TEST(cuda_contraction_element_wise_steps_equal_the_cpu) {
  check_shapes(
      {
          {StepKernel::kCopy, {}, {}, {}, {}},
          {StepKernel::kCopy, {5000}, {}, {}, {}},
          {StepKernel::kCopy, {65, 70}, {}, {}, {}},
          {StepKernel::kCopy, {5, 3, 7, 2, 11}, {}, {}, {}},
          {StepKernel::kCopy, {2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2}, {}, {}, {}},
          {StepKernel::kMultiply, {33, 34}, {}, {}, {}},
          {StepKernel::kMultiply, {7, 1, 9, 10}, {}, {}, {}},
          {StepKernel::kMultiply, {3, 3, 3, 3, 3, 3, 3}, {}, {}, {}},
      },
      Strategy::kBlocked);
}

// Broadcasting: an axis that one factor does not have.
TEST(cuda_contraction_broadcasts_equal_the_cpu) {
  Random random(5);
  unsigned seed = 40;
  for (DType dtype : {DType::kFloat64, DType::kFloat32}) {
    for (const Sizes& sizes : {Sizes{70, 41}, Sizes{5, 6, 7}, Sizes{3, 2, 40, 9}}) {
      for (unsigned without = 0; without < 1u << sizes.size(); ++without) {
        StepMaker maker(++seed, dtype, Strategy::kBlocked);
        ContractionPlan plan = maker.make(StepKernel::kMultiply, sizes, {}, {}, {});
        for (std::size_t l = 0; l < sizes.size(); ++l) {
          PlanLoop& loop = plan.steps[0].batch[l];
          std::ptrdiff_t PlanLoop::*const stride = l % 2 == 0 ? &PlanLoop::a : &PlanLoop::b;
          PlanView& view = l % 2 == 0 ? plan.steps[0].a : plan.steps[0].b;
          if ((without >> l & 1) == 0) continue;
          if (loop.*stride < 0) view.offset += static_cast<std::ptrdiff_t>(loop.size - 1) * (loop.*stride);
          loop.*stride = 0;
        }
        check_against_cpu(plan, random);
      }
    }
  }
}

// Plans of several steps with slices, exponents and accumulation: those that the fuzzer makes of bytes.
TEST(cuda_contraction_random_plans_equal_the_cpu) {
  Random random(17);
  int run = 0, sliced = 0, stripped = 0;
  for (int round = 0; round < (thorough() ? 3000 : 300); ++round) {
    std::vector<std::uint8_t> bytes(160);
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random.index(256));
    bytes[0] = 0;  // no changes that break the plan
    const ContractionPlan plan = fuzz::PlanMaker(fuzz::Bytes(bytes.data(), bytes.size())).make();
    bool clear = plan.zero_output;
    for (const auto* steps : {&plan.once, &plan.steps}) {
      for (const PlanStep& step : *steps) clear = clear && is_clear(plan, step);
    }
    if (!clear) continue;
    try {
      tensim::check_plan(plan);
    } catch (const Error&) {
      continue;
    }
    check_against_cpu(plan, random);
    ++run;
    sliced += plan.slices.empty() ? 0 : 1;
    stripped += plan.strip_exponent ? 1 : 0;
  }
  CHECK(run > (thorough() ? 100 : 10));
  CHECK(sliced > 0 && stripped > 0);
}

// What shares a launch, and how many blocks there are, changes no bit.
TEST(cuda_contraction_results_do_not_depend_on_launches) {
  Alone alone(2);
  Settings settings;
  Random random(23);
  for (const Shape& shape : products()) {
    StepMaker maker(7, DType::kFloat32, Strategy::kBlocked);
    const ContractionPlan plan = maker.make(shape.kernel, shape.batch, shape.left, shape.right, shape.contracted);
    const Operands<float> operands(plan, random);
    settings->limits = LaunchLimits{};
    const Result<float> whole = on_device(alone.context, plan, operands);
    settings->limits.flops = 1;
    CHECK(on_device(alone.context, plan, operands).data == whole.data);
  }
}

TEST(cuda_contraction_reports_progress_and_can_be_aborted) {
  Settings settings;
  settings->limits.flops = 1;
  Random random(3);
  StepMaker maker(7, DType::kFloat64, Strategy::kBlocked);
  const ContractionPlan plan = maker.make(StepKernel::kGemm, {2}, {300}, {300}, {17});
  const Operands<double> operands(plan, random);
  Alone alone(2);
  on_device(alone.context, plan, operands);
  CHECK(alone.control.total() == plan.points);
  CHECK(alone.control.done() >= plan.points - 1 && alone.control.done() <= plan.points);
  alone.control.abort();
  bool aborted = false;
  try {
    on_device(alone.context, plan, operands);
  } catch (const Aborted&) {
    aborted = true;
  }
  CHECK(aborted);
  CHECK(HostDevice::at(0).used() == 0);
}

TEST(cuda_contraction_tells_of_too_little_memory) {
  if (!emulated()) return;  // whose memory can be limited
  Settings settings;
  settings->limit = 300 * 300 * 8 * 2;
  Random random(3);
  StepMaker maker(7, DType::kFloat64, Strategy::kBlocked);
  const ContractionPlan plan = maker.make(StepKernel::kGemm, {}, {300}, {300}, {300});
  const Operands<double> operands(plan, random);
  Alone alone(2);
  std::string code;
  try {
    on_device(alone.context, plan, operands);
  } catch (const Error& error) {
    code = error.code();
  }
  CHECK(code == "MEMORY_LIMIT");
  CHECK(HostDevice::at(0).used() == 0);
}

}  // namespace tensim::test
