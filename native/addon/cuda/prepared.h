#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "../../core/context.h"
#include "../../cuda/interface.h"
#include "../../gaussian/one_block.h"
#include "../../similarity/gram_tile.h"

namespace tensim {

// The host's part in the Gram matrix on a GPU: models are folded here, multiplied there (through the table of
// interface.h), and the parts of an inner product put together here again.

// What a model on a device is made of: elements, and whether products of floats are to be one pass of TF32, where the
// method takes tensor cores.
struct CudaType {
  CudaType(DType dtype, bool tf32 = false) : dtype(dtype), tf32(tf32) {}
  // As the interface has it.
  std::int32_t single() const { return dtype == DType::kFloat64 ? 0 : tf32 ? TENSIM_CUDA_TF32 : 1; }

  DType dtype;
  bool tf32;
};

// A model on a device, and what stays on the host. It is given back with the object.
class CudaModel {
 public:
  CudaModel(const TensimCudaApi& api, int device, const TensimCudaSource& source);
  // Takes over what is there already.
  CudaModel(const TensimCudaApi& api, TensimCudaModel* model) : api_(api), model_(model) {}
  ~CudaModel() { api_.model_destroy(model_); }
  CudaModel(const CudaModel&) = delete;
  CudaModel& operator=(const CudaModel&) = delete;

  const TensimCudaModel* on_device() const { return model_; }
  bool is_from(const TensimCudaApi& api) const { return &api_ == &api; }
  // On the device.
  std::size_t bytes() const { return model_->bytes; }

  DType dtype = DType::kFloat64;
  Route route = Route::kFactor;
  std::size_t inputs = 0;  // k; 0 for plain features
  std::size_t outputs = 0, positions = 1;
  bool block = false;
  // Output c is [offsets[c], offsets[c + 1]) of the vector on the device; empty where there is none.
  std::vector<std::uint64_t> offsets;
  std::vector<double> constant, mean;  // e_c, m_c (gaussian/one_block.h)

 private:
  const TensimCudaApi& api_;
  TensimCudaModel* model_ = nullptr;
};

using CudaModelPointer = std::shared_ptr<const CudaModel>;

// A chain folded by gaussian/one_block, without an embedding, by the route kFactor or kDense. Throws MEMORY_LIMIT.
CudaModelPointer prepare_cuda(const Context& context, const TensimCudaApi& api, int device, CudaType type,
                              const QuadraticMap& map, Route route, std::size_t positions);

// Plain vectors, one per output.
CudaModelPointer prepare_cuda_features(const TensimCudaApi& api, int device, CudaType type,
                                       const std::vector<MatrixView>& segments);

// Outputs that the library has kept as vectors of doubles, `segments` of them that begin every `stride` elements; it is
// given back with the object.
CudaModelPointer kept_outputs(const TensimCudaApi& api, TensimCudaModel* model, std::size_t segments,
                              std::uint64_t stride);

// As similarity/gram_tile, by one call of the library.
GramTile cuda_gram_tile(const Context& context, const TensimCudaApi& api, const GramJob& job,
                        const std::vector<const CudaModel*>& rows, const std::vector<const CudaModel*>& columns);

}  // namespace tensim
