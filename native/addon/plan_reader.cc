#include "plan_reader.h"

#include <cmath>

#include "../contraction/plan_check.h"
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

PlanView read_view(const Napi::Value& value) {
  const Napi::Object object = read_object(value, "view");
  PlanView view;
  view.buffer = read_size(object.Get("buffer"), "buffer");
  view.offset = read_integer(object.Get("offset"), "offset");
  view.slice_strides =
      read_list<std::ptrdiff_t>(object.Get("sliceStrides"), "sliceStrides",
                                [](const Napi::Value& stride) { return read_integer(stride, "stride"); });
  return view;
}

std::vector<PlanLoop> read_loops(const Napi::Value& value) {
  return read_list<PlanLoop>(value, "loops", [](const Napi::Value& item) {
    const Napi::Object object = read_object(item, "loop");
    PlanLoop loop;
    loop.size = read_size(object.Get("size"), "size");
    loop.a = read_integer(object.Get("strideA"), "strideA");
    loop.b = read_integer(object.Get("strideB"), "strideB");
    loop.out = read_integer(object.Get("strideOut"), "strideOut");
    loop.slice = read_integer(object.Get("slice"), "slice");
    return loop;
  });
}

OperandLayout read_operand(const Napi::Value& value) {
  const Napi::Object object = read_object(value, "operand");
  const auto sizes = read_list<std::size_t>(object.Get("shape"), "shape",
                                            [](const Napi::Value& size) { return read_size(size, "size"); });
  const auto strides = read_list<std::ptrdiff_t>(
      object.Get("strides"), "strides", [](const Napi::Value& stride) { return read_integer(stride, "stride"); });
  if (sizes.size() != strides.size()) fail(value.Env(), "INVALID_ARGUMENT", "an operand needs a stride per axis");
  OperandLayout layout;
  for (std::size_t i = 0; i < sizes.size(); ++i) layout.axes.push_back({sizes[i], strides[i], 0, 0});
  layout.offset = read_integer(object.Get("offset"), "offset");
  layout.elements = read_size(object.Get("elements"), "elements");
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

PlanStep read_step(const Napi::Value& value) {
  const Napi::Object object = read_object(value, "step");
  PlanStep step;
  step.kernel = read_kernel(object.Get("kernel"));
  step.a = read_view(object.Get("a"));
  const Napi::Value b = object.Get("b");
  step.has_b = !b.IsNull() && !b.IsUndefined();
  if (step.has_b) step.b = read_view(b);
  step.out = read_view(object.Get("out"));
  step.batch = read_loops(object.Get("batch"));
  step.left = read_loops(object.Get("left"));
  step.right = read_loops(object.Get("right"));
  step.contracted = read_loops(object.Get("contracted"));
  step.accumulate = object.Get("accumulate").ToBoolean();
  step.release = read_list<std::size_t>(object.Get("release"), "release",
                                        [](const Napi::Value& buffer) { return read_size(buffer, "buffer"); });
  return step;
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
    return PlanSlice{read_size(slice.Get("size"), "size"), read_size(slice.Get("chunk"), "chunk"),
                     read_size(slice.Get("count"), "count")};
  });
  const Napi::Object output = read_object(object.Get("output"), "output");
  plan.output = read_size(output.Get("buffer"), "buffer");
  plan.zero_output = output.Get("zero").ToBoolean();
  plan.strip_exponent = object.Get("stripExponent").ToBoolean();
  plan.points = read_size(object.Get("points"), "points");
  plan.peak_elements = read_size(object.Get("peakBytes"), "peakBytes") /
                       (plan.dtype == DType::kFloat64 ? sizeof(double) : sizeof(float));
  const auto read_steps = [&](const char* name) { return read_list<PlanStep>(object.Get(name), name, read_step); };
  plan.once = read_steps("once");
  plan.steps = read_steps("steps");
  check_plan(plan);
  return plan;
}

}  // namespace tensim::addon
