#pragma once

#include "../api.h"
#include "forward_run.h"
#include "sample_run.h"

namespace tensim::cuda {

template <class Device>
struct ForwardApi {
  static TensimCudaStatus create(int32_t device, const TensimCudaNetwork* network, TensimCudaForward** forward,
                                 TensimCudaError* error) {
    return Api<Device>::guard(error, [&] {
      Device::at(device).use();
      *forward = make_network(Device::at(device), *network).release();
    });
  }

  static void destroy(TensimCudaForward* forward) {
    auto* const own = static_cast<Network<Device>*>(forward);
    Api<Device>::guard(nullptr, [&] { own->device->use(); });
    delete own;
  }

  static TensimCudaStatus evaluate(const TensimCudaForward* forward, const TensimCudaInputs* inputs, void* results,
                                   TensimCudaError* error) {
    return Api<Device>::guard(error, [&] {
      visit(*forward, [&](Device& device, const auto& layers, auto type) {
        using T = decltype(type);
        ForwardRun<Device, T>(device, layers, *inputs).evaluate(static_cast<T*>(results));
      });
    });
  }

  static TensimCudaStatus keep(const TensimCudaForward* forward, const TensimCudaInputs* inputs,
                               const TensimCudaKeeping* keeping, TensimCudaModel** outputs, uint64_t* stride,
                               TensimCudaError* error) {
    return Api<Device>::guard(error, [&] {
      visit(*forward, [&](Device& device, const auto& layers, auto type) {
        *outputs = ForwardRun<Device, decltype(type)>(device, layers, *inputs).keep(*keeping, *stride).release();
      });
    });
  }

  static TensimCudaStatus combine(const TensimCudaModel* a, double x, const TensimCudaModel* b, double y,
                                  TensimCudaModel** result, TensimCudaError* error) {
    return Api<Device>::guard(error, [&] {
      const auto &one = static_cast<const Model<Device>&>(*a), &other = static_cast<const Model<Device>&>(*b);
      one.device->use();
      *result = cuda::combine(one, x, other, y).release();
    });
  }

  static TensimCudaStatus sample_products(const TensimCudaSampleProducts* products, TensimCudaError* error) {
    return Api<Device>::guard(error, [&] {
      if (products->output_count == 0) return;
      Device& device = *static_cast<const Model<Device>&>(*products->outputs[0]).device;
      device.use();
      cuda::sample_products(device, *products);
    });
  }

  static TensimCudaStatus normals(int32_t device, const TensimCudaNormals* normals, TensimCudaError* error) {
    return Api<Device>::guard(error, [&] {
      Device::at(device).use();
      draw_normals(Device::at(device), *normals);
    });
  }

 private:
  template <class F>
  static void visit(const TensimCudaForward& forward, const F& f) {
    const auto& network = static_cast<const Network<Device>&>(forward);
    network.device->use();
    if (network.f64) {
      f(*network.device, *network.f64, double());
    } else {
      f(*network.device, *network.f32, float());
    }
  }
};

template <class Device>
const TensimCudaForwardApi* forward_table() {
  using Own = ForwardApi<Device>;
  static const TensimCudaForwardApi table = {Own::create,  Own::destroy,         Own::evaluate, Own::keep,
                                             Own::combine, Own::sample_products, Own::normals};
  return &table;
}

}  // namespace tensim::cuda
