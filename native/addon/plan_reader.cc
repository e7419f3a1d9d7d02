#include "plan_reader.h"

#include <algorithm>
#include <cmath>

#include "arguments.h"

namespace tensim::addon {
namespace {

std::ptrdiff_t read_integer(const Napi::Value& value, const std::string& what) {
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : NAN;
  if (!(std::abs(number) <= 9007199254740991.0) || number != std::floor(number)) {
    fail(value.Env(), "INVALID_ARGUMENT", what + " must be an integer");
  }
  return static_cast<std::ptrdiff_t>(number);
}

Napi::Array read_array(const Napi::Value& value, const std::string& what) {
  if (!value.IsArray()) fail(value.Env(), "INVALID_ARGUMENT", what + " must be an array");
  return value.As<Napi::Array>();
}

template <class Item, class Read>
std::vector<Item> read_list(const Napi::Value& value, const std::string& what, const Read& read) {
  const Napi::Array array = read_array(value, what);
  std::vector<Item> items;
  items.reserve(array.Length());
  for (std::uint32_t i = 0; i < array.Length(); ++i) items.push_back(read(array.Get(i)));
  return items;
}

PlanView read_view(const Napi::Value& value, const ContractionPlan& plan) {
  const Napi::Object object = read_object(value, "view");
  PlanView view;
  view.buffer = read_size(object.Get("buffer"), "buffer");
  if (view.buffer >= plan.buffer_elements.size())
    fail(value.Env(), "INVALID_ARGUMENT", "a view of a buffer that is not there");
  view.offset = read_integer(object.Get("offset"), "offset");
  view.slice_strides =
      read_list<std::ptrdiff_t>(object.Get("sliceStrides"), "sliceStrides",
                                [](const Napi::Value& stride) { return read_integer(stride, "stride"); });
  if (view.slice_strides.size() != plan.slices.size())
    fail(value.Env(), "INVALID_ARGUMENT", "a view needs a stride per slice");
  return view;
}

std::vector<PlanLoop> read_loops(const Napi::Value& value, const ContractionPlan& plan) {
  return read_list<PlanLoop>(value, "loops", [&](const Napi::Value& item) {
    const Napi::Object object = read_object(item, "loop");
    PlanLoop loop;
    loop.size = read_size(object.Get("size"), "size");
    loop.a = read_integer(object.Get("strideA"), "strideA");
    loop.b = read_integer(object.Get("strideB"), "strideB");
    loop.out = read_integer(object.Get("strideOut"), "strideOut");
    loop.slice = read_integer(object.Get("slice"), "slice");
    const auto slices = static_cast<std::ptrdiff_t>(plan.slices.size());
    if (loop.slice < -1 || loop.slice >= slices)
      fail(item.Env(), "INVALID_ARGUMENT", "a loop over a slice that is not there");
    if (loop.slice >= 0 && plan.slices[static_cast<std::size_t>(loop.slice)].chunk > loop.size) {
      fail(item.Env(), "INVALID_ARGUMENT", "a sliced loop must have the size of its largest part");
    }
    return loop;
  });
}

// The range of offsets that strides reach, in doubles: exact far beyond any memory, and never overflowing.
struct Reach {
  double lowest = 0, highest = 0;
  bool empty = false;

  void add(std::size_t size, std::ptrdiff_t stride) {
    if (size == 0) {
      empty = true;
      return;
    }
    const double span = static_cast<double>(size - 1) * static_cast<double>(stride);
    (span < 0 ? lowest : highest) += span;
  }
  bool within(double offset, std::size_t elements) const {
    return empty || (offset + lowest >= 0 && offset + highest < static_cast<double>(elements));
  }
};

// The furthest offsets that a view reaches over all loops of its step and all parts of all slices.
void check_view(Napi::Env env, const ContractionPlan& plan, const PlanStep& step, const PlanView& view,
                std::ptrdiff_t PlanLoop::*stride) {
  Reach all;
  const auto add_loops = [&](Reach& reach, std::ptrdiff_t slice, bool last_part) {
    for (const auto* loops : {&step.batch, &step.left, &step.right, &step.contracted}) {
      for (const PlanLoop& loop : *loops) {
        if (loop.slice != slice) continue;
        std::size_t size = loop.size;
        if (last_part) {
          const PlanSlice& part = plan.slices[static_cast<std::size_t>(slice)];
          size = part.size - (part.count - 1) * part.chunk;
        }
        reach.add(size, loop.*stride);
      }
    }
  };
  add_loops(all, -1, false);
  for (std::size_t s = 0; s < plan.slices.size(); ++s) {
    const std::size_t count = plan.slices[s].count;
    double lowest = 0, highest = 0;
    // Offsets grow evenly over the full parts, so the first and last of them and the shorter part at the end are the
    // extremes.
    for (std::size_t part : {std::size_t{0}, count > 1 ? count - 2 : 0, count > 0 ? count - 1 : 0}) {
      Reach reach;
      add_loops(reach, static_cast<std::ptrdiff_t>(s), part + 1 == count);
      const double start = static_cast<double>(part) * static_cast<double>(view.slice_strides[s]);
      lowest = part == 0 ? start + reach.lowest : std::min(lowest, start + reach.lowest);
      highest = part == 0 ? start + reach.highest : std::max(highest, start + reach.highest);
      all.empty = all.empty || reach.empty;
    }
    all.lowest += lowest;
    all.highest += highest;
  }
  if (!all.within(static_cast<double>(view.offset), plan.buffer_elements[view.buffer])) {
    fail(env, "INVALID_ARGUMENT", "a view reaches outside its buffer");
  }
}

OperandLayout read_operand(const Napi::Value& value) {
  const Napi::Object object = read_object(value, "operand");
  const auto sizes = read_list<std::size_t>(object.Get("shape"), "shape",
                                            [](const Napi::Value& size) { return read_size(size, "size"); });
  const auto strides = read_list<std::ptrdiff_t>(
      object.Get("strides"), "strides", [](const Napi::Value& stride) { return read_integer(stride, "stride"); });
  if (sizes.size() != strides.size()) fail(value.Env(), "INVALID_ARGUMENT", "an operand needs a stride per axis");
  OperandLayout layout;
  Reach reach;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    layout.axes.push_back({sizes[i], strides[i], 0, 0});
    reach.add(sizes[i], strides[i]);
  }
  layout.offset = read_integer(object.Get("offset"), "offset");
  layout.elements = read_size(object.Get("elements"), "elements");
  if (!reach.within(static_cast<double>(layout.offset), layout.elements)) {
    fail(value.Env(), "INVALID_ARGUMENT", "the layout of an operand reaches outside its elements");
  }
  return layout;
}

StepKernel read_kernel(const Napi::Value& value) {
  const std::string name = read_string(value, "kernel");
  if (name == "gemm") return StepKernel::kGemm;
  if (name == "small") return StepKernel::kSmall;
  if (name == "gemv") return StepKernel::kGemv;
  if (name == "dot") return StepKernel::kDot;
  if (name == "multiply") return StepKernel::kMultiply;
  if (name == "reduce") return StepKernel::kReduce;
  if (name == "copy") return StepKernel::kCopy;
  fail(value.Env(), "INVALID_ARGUMENT", "there is no kernel " + name);
}

PlanStep read_step(const Napi::Value& value, const ContractionPlan& plan) {
  const Napi::Env env = value.Env();
  const Napi::Object object = read_object(value, "step");
  PlanStep step;
  step.kernel = read_kernel(object.Get("kernel"));
  step.a = read_view(object.Get("a"), plan);
  const Napi::Value b = object.Get("b");
  step.has_b = !b.IsNull() && !b.IsUndefined();
  if (step.has_b) step.b = read_view(b, plan);
  if (!step.has_b && step.kernel != StepKernel::kReduce && step.kernel != StepKernel::kCopy) {
    fail(env, "INVALID_ARGUMENT", "a product needs two inputs");
  }
  step.out = read_view(object.Get("out"), plan);
  if (step.out.buffer < plan.operands.size()) fail(env, "INVALID_ARGUMENT", "a step may not write to an operand");
  step.batch = read_loops(object.Get("batch"), plan);
  step.left = read_loops(object.Get("left"), plan);
  step.right = read_loops(object.Get("right"), plan);
  step.contracted = read_loops(object.Get("contracted"), plan);
  step.accumulate = object.Get("accumulate").ToBoolean();
  step.release = read_list<std::size_t>(object.Get("release"), "release",
                                        [](const Napi::Value& buffer) { return read_size(buffer, "buffer"); });
  for (std::size_t buffer : step.release) {
    if (buffer < plan.operands.size() || buffer >= plan.output)
      fail(env, "INVALID_ARGUMENT", "only intermediates are released");
  }
  check_view(env, plan, step, step.a, &PlanLoop::a);
  if (step.has_b) check_view(env, plan, step, step.b, &PlanLoop::b);
  check_view(env, plan, step, step.out, &PlanLoop::out);
  return step;
}

// Every buffer is written before it is read, and not used after its release.
void check_lifetimes(Napi::Env env, const ContractionPlan& plan) {
  std::vector<bool> alive(plan.buffer_elements.size(), false);
  std::fill_n(alive.begin(), plan.operands.size(), true);
  alive[plan.output] = plan.zero_output;
  // A second pass over `steps` shows what one pass leaves to the next.
  for (const auto* steps : {&plan.once, &plan.steps, &plan.steps}) {
    for (const PlanStep& step : *steps) {
      const bool reads =
          alive[step.a.buffer] && (!step.has_b || alive[step.b.buffer]) && (!step.accumulate || alive[step.out.buffer]);
      if (!reads) fail(env, "INVALID_ARGUMENT", "a step reads a buffer that holds nothing yet");
      alive[step.out.buffer] = true;
      for (std::size_t buffer : step.release) alive[buffer] = false;
    }
  }
}

}  // namespace

ContractionPlan read_plan(const Napi::Value& value) {
  const Napi::Env env = value.Env();
  const Napi::Object object = read_object(value, "plan");
  ContractionPlan plan;
  if (read_integer(object.Get("version"), "version") != 1) fail(env, "INVALID_ARGUMENT", "a plan of another version");
  plan.dtype = read_dtype(object.Get("dtype"));
  const std::string strategy = read_string(object.Get("strategy"), "strategy");
  plan.strategy = strategy == "loops" ? Strategy::kLoops : strategy == "ttgt" ? Strategy::kTtgt : Strategy::kBlocked;
  plan.buffer_elements = read_list<std::size_t>(object.Get("buffers"), "buffers", [](const Napi::Value& buffer) {
    return read_size(read_object(buffer, "buffer").Get("elements"), "elements");
  });
  plan.operands = read_list<OperandLayout>(object.Get("operands"), "operands", read_operand);
  plan.slices = read_list<PlanSlice>(object.Get("slices"), "slices", [](const Napi::Value& item) {
    const Napi::Object slice = read_object(item, "slice");
    const PlanSlice result{read_size(slice.Get("size"), "size"), read_size(slice.Get("chunk"), "chunk"),
                           read_size(slice.Get("count"), "count")};
    const bool whole = result.chunk > 0 && result.count == (result.size + result.chunk - 1) / result.chunk;
    if (!whole) fail(item.Env(), "INVALID_ARGUMENT", "the parts of a slice must make up its size");
    return result;
  });
  const Napi::Object output = read_object(object.Get("output"), "output");
  plan.output = read_size(output.Get("buffer"), "buffer");
  plan.zero_output = output.Get("zero").ToBoolean();
  if (plan.buffer_elements.empty() || plan.output + 1 != plan.buffer_elements.size() ||
      plan.operands.size() > plan.output) {
    fail(env, "INVALID_ARGUMENT", "the buffers of a plan are its operands, its intermediates and its output");
  }
  plan.strip_exponent = object.Get("stripExponent").ToBoolean();
  plan.points = read_size(object.Get("points"), "points");
  plan.peak_elements = read_size(object.Get("peakBytes"), "peakBytes") /
                       (plan.dtype == DType::kFloat64 ? sizeof(double) : sizeof(float));
  const auto read_steps = [&](const char* name) {
    return read_list<PlanStep>(object.Get(name), name, [&](const Napi::Value& step) { return read_step(step, plan); });
  };
  plan.once = read_steps("once");
  plan.steps = read_steps("steps");
  check_lifetimes(env, plan);
  return plan;
}

}  // namespace tensim::addon
