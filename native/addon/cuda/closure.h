#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "../../core/context.h"
#include "../../cuda/interface.h"
#include "../../similarity/prepared.h"
#include "devices.h"

namespace tensim {

// The host's part in the methods that take pairs one at a time on a GPU: the closure, chains of two blocks and the
// tensor measure. A chain is folded here as for the CPU, for the closure prepared there, as are its products with other
// chains (through the table of interface.h), and the means of the closure, which come back, are added.

// What the host keeps of a chain.
struct CudaChainTraits {
  Method method = Method::kClosure;
  DType dtype = DType::kFloat64;
  std::size_t inputs = 0, outputs = 0, positions = 1;
  std::vector<std::string_view> kinds;  // of its blocks
  Means means = {};                     // of the output, for the closure
};

// A chain on a device, given back with the object.
class CudaClosure : public CudaChainTraits {
 public:
  CudaClosure(const TensimCudaApi& api, TensimCudaClosure* closure, CudaChainTraits traits)
      : CudaChainTraits(std::move(traits)), api_(api), closure_(closure) {}
  ~CudaClosure() { api_.closure_destroy(closure_); }
  CudaClosure(const CudaClosure&) = delete;
  CudaClosure& operator=(const CudaClosure&) = delete;

  const TensimCudaClosure* on_device() const { return closure_; }
  bool is_from(const TensimCudaApi& api) const { return &api_ == &api; }
  // On the device and here.
  std::size_t bytes() const { return closure_->bytes + means.values.size() * sizeof(double); }

 private:
  const TensimCudaApi& api_;
  TensimCudaClosure* const closure_;
};

using CudaClosurePointer = std::shared_ptr<const CudaClosure>;

// By the methods kClosure, kTwoBlock and kTensor, on each of the devices. Throws MEMORY_LIMIT.
std::vector<CudaClosurePointer> prepare_cuda_closure(const Context& context, const TensimCudaApi& api,
                                                     const CudaDevices& devices, Method method, DType dtype,
                                                     const ChainView& chain);

// On one of them.
inline CudaClosurePointer prepare_cuda_closure(const Context& context, const TensimCudaApi& api, int device,
                                               Method method, DType dtype, const ChainView& chain) {
  return prepare_cuda_closure(context, api, CudaDevices{device}, method, dtype, chain).front();
}

// As similarity/pair_tile for each of them, by one call of the library.
GramTile cuda_closure_tile(const Context& context, const TensimCudaApi& api, const GramJob& job,
                           const std::vector<const CudaClosure*>& rows, const std::vector<const CudaClosure*>& columns);

}  // namespace tensim
