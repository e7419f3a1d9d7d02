#pragma once

#include <memory>
#include <vector>

#include "../../gaussian/hidden.h"
#include "prepared.h"

namespace tensim {

// The host's part in the method hidden on a GPU: chains are folded and expanded here as for the CPU, their units are
// multiplied and their series summed there (through the table of interface.h); pairs of units that the series do not
// reach come back for their closed forms.

// A chain of at most one block of units on a device, given back with the object.
class CudaUnits {
 public:
  CudaUnits(const Context& context, const TensimCudaApi& api, int device, CudaType type, const FoldedUnits& folded,
            std::size_t positions);
  ~CudaUnits();
  CudaUnits(const CudaUnits&) = delete;
  CudaUnits& operator=(const CudaUnits&) = delete;

  const TensimCudaUnits* on_device() const { return on_device_; }
  bool is_from(const TensimCudaApi& api) const { return &api_ == &api; }
  // On the device and here.
  std::size_t bytes() const { return on_device_->bytes + linear->bytes() + units.size() * sizeof(HiddenUnit); }

  const DType dtype;
  std::size_t inputs = 0, outputs = 0, positions = 1;
  bool gated = false;
  std::vector<HiddenUnit> units;
  std::vector<double> constant, scales;
  HiddenProducts self;      // as in PreparedHidden
  CudaModelPointer linear;  // F_1

 private:
  template <class T>
  void prepare(const Context& context, int device, CudaType type, const FoldedUnits& folded);
  template <class T>
  void create(const Context& context, int device, CudaType type, const FoldedUnits& folded, const HiddenSeries& series,
              const TensimCudaUnitsTails& tails);
  void take_self(const Context& context, const FoldedUnits& folded);

  const TensimCudaApi& api_;
  TensimCudaUnits* on_device_ = nullptr;
};

using CudaUnitsPointer = std::shared_ptr<const CudaUnits>;

// Throws MEMORY_LIMIT.
CudaUnitsPointer prepare_cuda_units(const Context& context, const TensimCudaApi& api, int device, CudaType type,
                                    const FoldedUnits& folded, std::size_t positions);

// As similarity/hidden_tile.
GramTile cuda_units_tile(const Context& context, const TensimCudaApi& api, const GramJob& job,
                         const std::vector<const CudaUnits*>& rows, const std::vector<const CudaUnits*>& columns);

}  // namespace tensim
