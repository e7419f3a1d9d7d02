#pragma once

#include "../api.h"
#include "units_run.h"

namespace tensim::cuda {

template <class Device>
struct UnitsApi {
  static TensimCudaStatus create(int32_t device, const TensimCudaUnitsSource* source, TensimCudaUnits** units,
                                 TensimCudaError* error) {
    return Api<Device>::guard(error, [&] {
      Device::at(device).use();
      *units = make_units(Device::at(device), *source).release();
    });
  }

  static TensimCudaStatus measure(TensimCudaUnits* units, const TensimCudaUnitsTails* tails, TensimCudaError* error) {
    return Api<Device>::guard(error, [&] {
      auto& own = static_cast<Units<Device>&>(*units);
      own.device->use();
      own.measure(*tails);
    });
  }

  static void destroy(TensimCudaUnits* units) {
    auto* const own = static_cast<Units<Device>*>(units);
    Api<Device>::guard(nullptr, [&] { own->device->use(); });
    delete own;
  }

  static TensimCudaStatus products(const TensimCudaUnitsTile* tile, TensimCudaError* error) {
    return Api<Device>::guard(error, [&] {
      if (tile->pair_count == 0) return;
      const auto& first = static_cast<const Units<Device>&>(*tile->rows[0]);
      first.device->use();
      visit_elements(first, [&](auto element, auto tf32) {
        UnitsRun<Device, decltype(element), decltype(tf32)::value>(*first.device, *tile).run();
      });
    });
  }
};

template <class Device>
const TensimCudaUnitsApi* units_table() {
  static const TensimCudaUnitsApi api = {UnitsApi<Device>::create, UnitsApi<Device>::measure, UnitsApi<Device>::destroy,
                                         UnitsApi<Device>::products};
  return &api;
}

}  // namespace tensim::cuda
