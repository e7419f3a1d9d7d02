#include "contraction.h"

#include <utility>

#include "../../contraction/bundle.h"
#include "../../contraction/execution.h"
#include "../../contraction/pool.h"
#include "../../core/assert.h"
#include "library.h"
#include "prepared.h"

namespace tensim {
namespace {

// A plan's run on a device, as the library knows it.
class DeviceRun {
 public:
  DeviceRun(const TensimCudaApi& api, int device, std::int32_t single, Control& control) : api_(*api.contraction) {
    TensimCudaError error{};
    check_cuda(api_.create(device, single, report, &control, &run_, &error), error);
  }
  ~DeviceRun() { api_.destroy(run_); }
  DeviceRun(const DeviceRun&) = delete;
  DeviceRun& operator=(const DeviceRun&) = delete;

  template <class Function, class... Arguments>
  void call(Function TensimCudaContractionApi::*function, Arguments... arguments) const {
    TensimCudaError error{};
    check_cuda((api_.*function)(run_, arguments..., &error), error);
  }
  void release(void* memory) const { api_.release(run_, memory); }

 private:
  static int report(void* context, std::uint64_t points) {
    auto& control = *static_cast<Control*>(context);
    control.advance(points);
    return control.aborted() ? 1 : 0;
  }

  const TensimCudaContractionApi& api_;
  TensimCudaContraction* run_ = nullptr;
};

template <class T>
class DeviceMemory {
 public:
  DeviceMemory() = default;
  DeviceMemory(const DeviceRun& run, std::size_t size) : run_(&run), size_(size) {
    void* data = nullptr;
    run.call(&TensimCudaContractionApi::allocate, size, &data);
    data_ = static_cast<T*>(data);
  }
  ~DeviceMemory() {
    if (data_ != nullptr) run_->release(data_);
  }
  DeviceMemory(DeviceMemory&& other) noexcept { swap(other); }
  DeviceMemory& operator=(DeviceMemory&& other) noexcept {
    DeviceMemory moved(std::move(other));
    swap(moved);
    return *this;
  }

  T* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  void swap(DeviceMemory& other) noexcept {
    std::swap(run_, other.run_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }

  const DeviceRun* run_ = nullptr;
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

void append(std::vector<TensimCudaLoop>& loops, const Bundle& bundle) {
  for (const Loop& loop : bundle) loops.push_back({loop.size, loop.a, loop.b, loop.out});
}

// The bundles with the strides of one view, as those of an element-wise step from `from` to a contiguous copy.
Bundle copied(std::initializer_list<const Bundle*> bundles, std::ptrdiff_t Loop::*from) {
  Bundle loops;
  for (const Bundle* bundle : bundles) {
    for (const Loop& loop : *bundle) loops.push_back({loop.size, loop.*from, 0, 0});
  }
  std::ptrdiff_t stride = 1;
  for (auto loop = loops.rbegin(); loop != loops.rend(); ++loop) {
    loop->out = stride;
    stride *= static_cast<std::ptrdiff_t>(loop->size);
  }
  return loops;
}

// The memory of an Execution (contraction/execution.h).
template <class T>
class Memory {
 public:
  using Buffer = DeviceMemory<T>;
  static constexpr bool kScalesInPlace = true;

  Memory(const DeviceRun& run, const ContractionPlan& plan, const std::vector<const T*>& operands)
      : run_(run), plan_(plan), on_host_(operands), pool_(plan.peak_elements) {
    for (std::size_t i = 0; i < operands.size(); ++i) {
      const std::size_t elements = plan.operands[i].elements;
      operands_.emplace_back(run, elements);
      run.call(&TensimCudaContractionApi::upload, operands_.back().data(), operands[i], elements);
    }
  }

  Buffer take(std::size_t elements) {
    return pool_.take(elements, [&] { return Buffer(run_, elements); });
  }
  void give(Buffer buffer) {
    if (buffer.data() != nullptr) pool_.give(std::move(buffer));
  }
  const T* operand(std::size_t i) const { return operands_[i].data(); }
  T* writable(std::size_t i) const { return operands_[i].data(); }
  double largest_of_operand(std::size_t i) const { return largest_of_view(on_host_[i], plan_.operands[i]); }
  double largest(const T* data, std::size_t elements) const {
    double most = 0;
    run_.call(&TensimCudaContractionApi::largest, data, elements, &most);
    return most;
  }
  void clear(T* data, std::size_t elements) const { scale(data, elements, T(0)); }
  void scale(T* data, std::size_t elements, T factor) const {
    run_.call(&TensimCudaContractionApi::scale, data, elements, static_cast<double>(factor));
  }

  void compute(StepMethod method, const Product<T>& product) const {
    switch (method) {
      case StepMethod::kReduce:
      case StepMethod::kVector:
        return run(TENSIM_CUDA_SUMS, product);
      case StepMethod::kElementwise:
        return run(TENSIM_CUDA_MAP, product);
      case StepMethod::kLoops:
      case StepMethod::kSmall:
        return run(TENSIM_CUDA_LOOPS, product);
      case StepMethod::kTtgt:
        return transposed(product);
      case StepMethod::kBlocked:
        return run(TENSIM_CUDA_PRODUCT, product);
    }
    unreachable();
  }

 private:
  void run(TensimCudaStepKind kind, const Product<T>& product) const {
    std::vector<TensimCudaLoop> loops;
    for (const Bundle* bundle : {&product.batch, &product.left, &product.right, &product.contracted}) {
      append(loops, *bundle);
    }
    TensimCudaStep step{};
    step.kind = kind;
    step.accumulate = product.accumulate ? 1 : 0;
    step.a = product.a;
    step.b = product.b;
    step.out = product.out;
    step.factor = static_cast<double>(product.a_factor) * static_cast<double>(product.b_factor);
    step.loops = loops.data();
    step.batch = product.batch.size();
    step.left = product.left.size();
    step.right = product.right.size();
    step.contracted = product.contracted.size();
    const TensimCudaStep* const given = &step;
    run_.call(&TensimCudaContractionApi::step, given);
  }

  // Copies of both operands, the product of these, and a copy of it to where it belongs, as in contraction/ttgt.
  void transposed(const Product<T>& product) const {
    const std::size_t batch = extent(product.batch), m = extent(product.left), n = extent(product.right),
                      k = extent(product.contracted);
    if (k == 0) return run(TENSIM_CUDA_LOOPS, product);
    const Buffer a(run_, batch * m * k), b(run_, batch * k * n), c(run_, batch * m * n);
    const auto copy = [&](const T* from, T* to, Bundle loops, bool accumulate, T factor) {
      Product<T> copied;
      copied.a = from;
      copied.out = to;
      copied.a_factor = factor;
      copied.batch = std::move(loops);
      copied.accumulate = accumulate;
      run(TENSIM_CUDA_MAP, copied);
    };
    copy(product.a, a.data(), copied({&product.batch, &product.left, &product.contracted}, &Loop::a), false, T(1));
    copy(product.b, b.data(), copied({&product.batch, &product.contracted, &product.right}, &Loop::b), false, T(1));
    Product<T> plain;
    plain.a = a.data();
    plain.b = b.data();
    plain.out = c.data();
    const auto stride = [](std::size_t size) { return static_cast<std::ptrdiff_t>(size); };
    plain.batch = {{batch, stride(m * k), stride(k * n), stride(m * n)}};
    plain.left = {{m, stride(k), 0, stride(n)}};
    plain.right = {{n, 0, 1, 1}};
    plain.contracted = {{k, 1, stride(n), 0}};
    run(TENSIM_CUDA_PRODUCT, plain);
    Bundle back = copied({&product.batch, &product.left, &product.right}, &Loop::out);
    for (Loop& loop : back) std::swap(loop.a, loop.out);
    copy(c.data(), product.out, std::move(back), product.accumulate, product.a_factor);
  }

  const DeviceRun& run_;
  const ContractionPlan& plan_;
  const std::vector<const T*>& on_host_;
  std::vector<Buffer> operands_;
  BufferPool<Buffer> pool_;
};

}  // namespace

template <class T>
double execute_plan_on_cuda(const Context& context, const TensimCudaApi& api, int device, bool tf32,
                            const ContractionPlan& plan, const std::vector<const T*>& operands, T* output) {
  context.control.expect(plan.points);
  context.control.throw_if_aborted();
  const DeviceRun run(api, device, CudaType(DTypeOf<T>::value, tf32).single(), context.control);
  Memory<T> memory(run, plan, operands);
  const std::size_t elements = plan.buffer_elements[plan.output];
  const DeviceMemory<T> result(run, elements);
  const double exponent = Execution<T, Memory<T>>(context.control, plan, memory, result.data()).run();
  run.call(&TensimCudaContractionApi::download, result.data(), output, elements);
  return exponent;
}

template double execute_plan_on_cuda<double>(const Context&, const TensimCudaApi&, int, bool, const ContractionPlan&,
                                             const std::vector<const double*>&, double*);
template double execute_plan_on_cuda<float>(const Context&, const TensimCudaApi&, int, bool, const ContractionPlan&,
                                            const std::vector<const float*>&, float*);

}  // namespace tensim
