#pragma once

#include <cstdio>
#include <new>

#include "closure_run.h"
#include "contraction/table.h"
#include "forward/table.h"
#include "interface.h"
#include "peak_kernel.h"
#include "preparation/chain.h"
#include "tile.h"
#include "units/table.h"

namespace tensim::cuda {

// The table of interface.h for a kind of device. No exception leaves it. `Device` also has
//
//   static int count();
//   static Device& at(int device);                        // throws kInvalid, kUnavailable
//   void describe(TensimCudaDevice& info);
//   void use();                                           // makes it the calling thread's device
template <class Device>
struct Api {
  template <class Body>
  static TensimCudaStatus guard(TensimCudaError* error, const Body& body) noexcept {
    const auto fail = [error](TensimCudaStatus status, const char* message) {
      if (error != nullptr) std::snprintf(error->message, sizeof error->message, "%s", message);
      return status;
    };
    try {
      body();
      return TENSIM_CUDA_OK;
    } catch (const DeviceError& failure) {
      return fail(failure.status, failure.what());
    } catch (const std::bad_alloc&) {
      return fail(TENSIM_CUDA_OUT_OF_MEMORY, "out of memory");
    } catch (const std::exception& failure) {
      return fail(TENSIM_CUDA_FAILED, failure.what());
    }
  }

  static TensimCudaStatus device_count(int32_t* count, TensimCudaError* error) {
    return guard(error, [&] { *count = Device::count(); });
  }

  static TensimCudaStatus device_info(int32_t device, TensimCudaDevice* info, TensimCudaError* error) {
    return guard(error, [&] {
      Device::at(device).use();
      Device::at(device).describe(*info);
    });
  }

  static TensimCudaStatus model_create(int32_t device, const TensimCudaSource* source, TensimCudaModel** model,
                                       TensimCudaError* error) {
    return guard(error, [&] {
      Device::at(device).use();
      *model = make_model(Device::at(device), *source).release();
    });
  }

  static void model_destroy(TensimCudaModel* model) {
    auto* const own = static_cast<Model<Device>*>(model);
    guard(nullptr, [&] { own->device->use(); });
    delete own;
  }

  static TensimCudaStatus gram_products(const TensimCudaTile* tile, TensimCudaError* error) {
    return guard(error, [&] {
      if (tile->row_count == 0 || tile->column_count == 0) return;
      const auto& first = static_cast<const Model<Device>&>(*tile->rows[0]);
      first.device->use();
      visit_elements(first, [&](auto element, auto tf32) {
        TileRun<Device, decltype(element), decltype(tf32)::value>(*first.device, *tile).run();
      });
    });
  }

  static TensimCudaStatus peak(int32_t device, int32_t single, double* rate, TensimCudaError* error) {
    return guard(error, [&] {
      Device& own = Device::at(device);
      own.use();
      *rate = single != 0 ? measure_peak<float>(own) : measure_peak<double>(own);
    });
  }

  static TensimCudaStatus closure_create(int32_t device, const TensimCudaChain* chain, TensimCudaClosure** closure,
                                         TensimCudaError* error) {
    return guard(error, [&] {
      Device::at(device).use();
      *closure = make_chain(Device::at(device), *chain).release();
    });
  }

  static void closure_destroy(TensimCudaClosure* closure) {
    auto* const own = static_cast<PairModel<Device>*>(closure);
    guard(nullptr, [&] { own->device->use(); });
    delete own;
  }

  static TensimCudaStatus closure_products(const TensimCudaClosureTile* tile, TensimCudaError* error) {
    return guard(error, [&] {
      if (tile->row_count == 0 || tile->column_count == 0) return;
      const auto& first = static_cast<const PairModel<Device>&>(*tile->rows[0]);
      first.device->use();
      for (const auto& [list, size] : {std::pair(tile->rows, tile->row_count), {tile->columns, tile->column_count}}) {
        for (std::uint64_t i = 0; i < size; ++i) {
          if (static_cast<const PairModel<Device>&>(*list[i]).fits(first)) continue;
          throw DeviceError(TENSIM_CUDA_INVALID,
                            "the models of a tile differ in method, device, element type or sizes");
        }
      }
      if (first.kind == PairKind::kTwoBlock) {
        run_pairs<TwoBlockPair>(first, *tile);
      } else {
        run_pairs<ClosurePair>(first, *tile);
      }
    });
  }

  template <template <class, class> class Pair>
  static void run_pairs(const PairModel<Device>& first, const TensimCudaClosureTile& tile) {
    if (first.single) {
      ClosureRun<Device, float, Pair>(*first.device, tile).run();
    } else {
      ClosureRun<Device, double, Pair>(*first.device, tile).run();
    }
  }

  static TensimCudaStatus two_block_create(int32_t device, const TensimCudaTwoBlock* source, TensimCudaClosure** model,
                                           TensimCudaError* error) {
    return guard(error, [&] {
      Device::at(device).use();
      *model = make_two_block(Device::at(device), *source).release();
    });
  }

  static const TensimCudaApi* table() {
    static const TensimCudaApi api = {TENSIM_CUDA_VERSION,
                                      sizeof(TensimCudaApi),
                                      device_count,
                                      device_info,
                                      model_create,
                                      model_destroy,
                                      gram_products,
                                      peak,
                                      closure_create,
                                      closure_destroy,
                                      closure_products,
                                      two_block_create,
                                      units_table<Device>(),
                                      forward_table<Device>(),
                                      contraction_table<Device>()};
    return &api;
  }
};

}  // namespace tensim::cuda
