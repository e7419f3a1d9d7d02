#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "../../core/context.h"
#include "../../cuda/interface.h"
#include "../../gaussian/closure.h"
#include "../../similarity/gram_tile.h"

namespace tensim {

// The host's part in the closure on a GPU: a chain's moments and factors are prepared here as for the CPU, its products
// with other chains are computed there (through the table of interface.h), and the means, which stay here, are added.

// A chain on a device, given back with the object.
class CudaClosure {
 public:
  // `source` of `model`, which may be gone afterwards.
  template <class T>
  CudaClosure(const TensimCudaApi& api, int device, const TensimCudaChain& source, const ClosureModel<T>& model);
  ~CudaClosure() { api_.closure_destroy(closure_); }
  CudaClosure(const CudaClosure&) = delete;
  CudaClosure& operator=(const CudaClosure&) = delete;

  const TensimCudaClosure* on_device() const { return closure_; }
  bool is_from(const TensimCudaApi& api) const { return &api_ == &api; }
  // On the device and here.
  std::size_t bytes() const { return closure_->bytes + means.values.size() * sizeof(double); }

  const DType dtype;
  const std::size_t inputs, outputs, positions;
  const Means means;                    // of the output
  std::vector<std::string_view> kinds;  // of its blocks

 private:
  const TensimCudaApi& api_;
  TensimCudaClosure* closure_ = nullptr;
};

using CudaClosurePointer = std::shared_ptr<const CudaClosure>;

// Throws MEMORY_LIMIT.
CudaClosurePointer prepare_cuda_closure(const Context& context, const TensimCudaApi& api, int device, DType dtype,
                                        const ChainView& chain);

// As similarity/pair_tile for closure_pair, by one call of the library.
GramTile cuda_closure_tile(const Context& context, const TensimCudaApi& api, const GramJob& job,
                           const std::vector<const CudaClosure*>& rows, const std::vector<const CudaClosure*>& columns);

}  // namespace tensim
