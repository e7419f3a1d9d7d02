#include "units.h"

#include <cmath>
#include <exception>
#include <numeric>

#include "../../core/error.h"
#include "../../core/matrix.h"
#include "../../gaussian/activations/pieces.h"
#include "../../gaussian/hidden_kernel.h"
#include "../../gaussian/hidden_pair.h"
#include "library.h"
#include "narrowed.h"

namespace tensim {
namespace {

// Entries of which a thread takes so many at a time cost no more to hand out than to take.
constexpr std::size_t kEntryCost = std::size_t{1} << 12;

struct Pair {
  const CudaUnits *row, *column;
};

double tolerance_of(DType dtype) {
  return dtype == DType::kFloat64 ? kSeriesTolerance<double> : kSeriesTolerance<float>;
}

// What the library calls back to while it is at work on some pairs. No exception passes through it.
struct Work {
  const Context& context;
  const std::vector<Pair>& pairs;
  double before, after;  // flops that others have done, and will do
  std::exception_ptr failure;

  static int report(void* self, std::uint64_t done, std::uint64_t total) {
    const Work& work = *static_cast<const Work*>(self);
    const auto flops = [](double x) { return static_cast<std::uint64_t>(x); };
    return report_progress(&work.context.control, flops(work.before) + done,
                           flops(work.before) + total + flops(work.after));
  }

  static int closed(void* self, std::uint64_t pair, std::uint64_t count, const TensimCudaUnitsEntry* entries,
                    double* quadratic, double* higher) {
    Work& work = *static_cast<Work*>(self);
    const Pair& models = work.pairs[pair];
    try {
      work.context.parallel_for(count, kEntryCost, [&](std::size_t at) {
        work.context.control.throw_if_aborted();
        const TensimCudaUnitsEntry& entry = entries[at];
        const Crossed by{rho_of(entry.gap, entry.negative != 0), entry.kappa, entry.kappa_prime, entry.nu};
        const UnitCovariance covariance =
            covariance_of(models.row->units[entry.row], models.column->units[entry.column], by,
                          models.row->gated || models.column->gated);
        quadratic[at] = covariance.quadratic;
        higher[at] = covariance.higher;
      });
    } catch (...) {
      work.failure = std::current_exception();
      return 1;
    }
    return 0;
  }
};

// What the degrees from 2 on contribute to every pair; slices only if `sliced`.
std::vector<HiddenProducts> products_of(const TensimCudaApi& api, const std::vector<Pair>& pairs, bool sliced,
                                        Work& work) {
  std::vector<HiddenProducts> products(pairs.size());
  if (pairs.empty()) return products;
  const CudaUnits& first = *pairs.front().row;
  const std::size_t outputs = first.outputs;
  std::vector<const TensimCudaUnits*> rows, columns;
  for (const auto& [row, column] : pairs) {
    rows.push_back(row->on_device());
    columns.push_back(column->on_device());
  }
  std::vector<double> quadratic(pairs.size()), higher(pairs.size()), bound(pairs.size()),
      slices(sliced ? pairs.size() * outputs : 0);
  TensimCudaUnitsTile call{};
  call.rows = rows.data();
  call.columns = columns.data();
  call.pair_count = pairs.size();
  call.tolerance = tolerance_of(first.dtype);
  call.quadratic = quadratic.data();
  call.higher = higher.data();
  call.bound = bound.data();
  call.slices = sliced ? slices.data() : nullptr;
  call.closed = Work::closed;
  call.report = Work::report;
  call.context = &work;
  TensimCudaError error{};
  const TensimCudaStatus status = api.units->products(&call, &error);
  if (work.failure) std::rethrow_exception(work.failure);
  check_cuda(status, error);
  for (std::size_t p = 0; p < pairs.size(); ++p) {
    const std::vector<double>&own = pairs[p].row->scales, &other = pairs[p].column->scales;
    products[p].quadratic = quadratic[p];
    products[p].higher = higher[p];
    products[p].bound = bound[p] * std::inner_product(own.begin(), own.end(), other.begin(), 0.0);
    if (sliced) products[p].slices.assign(slices.data() + p * outputs, slices.data() + (p + 1) * outputs);
  }
  return products;
}

void check(const TensimCudaApi& api, const CudaUnits& first, const CudaUnits& model) {
  if (!model.is_from(api)) throw Error("INVALID_ARGUMENT", "a model was prepared by another library");
  if (model.dtype != first.dtype) {
    throw Error("INVALID_ARGUMENT", "all models of a tile must be prepared with the same dtype");
  }
  if (model.outputs != first.outputs || model.inputs != first.inputs || model.positions != first.positions) {
    throw Error("SHAPE_MISMATCH", "the models of a tile differ in their inputs or outputs");
  }
}

// F_1·G_1 of all models and outputs, (rows, columns, outputs).
std::vector<double> linear_products(const TensimCudaApi& api, bool symmetric, const std::vector<const CudaUnits*>& rows,
                                    const std::vector<const CudaUnits*>& columns, Work& work) {
  const std::size_t outputs = rows.front()->outputs;
  std::vector<double> products(rows.size() * columns.size() * outputs);
  const std::vector<std::uint64_t>* offsets = nullptr;  // those of a model that has a linear part; all have the same
  const auto vectors = [&](const std::vector<const CudaUnits*>& models) {
    std::vector<const CudaModel*> result;
    for (const CudaUnits* model : models) {
      result.push_back(model->linear.get());
      if (model->linear->offsets.back() > 0) offsets = &model->linear->offsets;
    }
    return result;
  };
  const std::vector<const CudaModel*> own = vectors(rows), other = vectors(columns);
  if (offsets == nullptr) return products;
  const auto row_vectors = on_device(own), column_vectors = on_device(other);
  TensimCudaTile call{};
  call.rows = row_vectors.data();
  call.columns = column_vectors.data();
  call.row_count = rows.size();
  call.column_count = columns.size();
  call.symmetric = symmetric ? 1 : 0;
  call.weight = 1;
  call.factor = 1;
  call.offsets = offsets->data();
  call.segments = outputs;
  call.slices = products.data();
  call.report = Work::report;
  call.context = &work;
  TensimCudaError error{};
  check_cuda(api.gram_products(&call, &error), error);
  work.before += 2.0 * static_cast<double>(rows.size() * columns.size() * offsets->back());
  return products;
}

double flops_of(const CudaUnits& a, const CudaUnits& b) {
  const std::size_t products = a.gated || b.gated ? 4 : 1;
  return 2.0 * static_cast<double>(a.units.size() * b.units.size() * (products * a.inputs + a.outputs));
}

TensimCudaNumbers narrow_or(const Narrowed& narrowed, const double* wide) {
  return narrowed.there() ? narrowed.numbers() : TensimCudaNumbers{TENSIM_CUDA_FLOAT64, wide, nullptr, 0, 0, nullptr};
}

std::vector<double> row_major(const MatrixView& view) {
  const Matrix<double> copy = Matrix<double>::copy(view);
  return {copy.data(), copy.data() + view.rows * view.columns};
}

}  // namespace

CudaUnits::CudaUnits(const Context& context, const TensimCudaApi& api, int device, CudaType type,
                     const FoldedUnits& folded, std::size_t positions)
    : dtype(type.dtype), positions(positions), api_(api) {
  try {
    if (dtype == DType::kFloat64) {
      prepare<double>(context, device, type, folded);
    } else {
      prepare<float>(context, device, type, folded);
    }
  } catch (...) {
    if (on_device_ != nullptr) api.units->destroy(on_device_);
    throw;
  }
}

CudaUnits::~CudaUnits() {
  api_.units->destroy(on_device_);
}

template <class T>
void CudaUnits::prepare(const Context& context, int device, CudaType type, const FoldedUnits& folded) {
  PreparedHidden<T> model;
  const HiddenSeries series = expand_hidden<T>(context, folded, positions, model);
  inputs = model.inputs;
  outputs = model.outputs;
  gated = model.gated;
  units = model.units;
  constant = model.constant;
  std::vector<MatrixView> segments;
  for (std::size_t c = 0; c < outputs; ++c) {
    const bool there = !model.features.empty();
    segments.push_back(
        MatrixView::row_major(there ? model.features.data() + c * inputs : nullptr, there ? inputs : 0, 1));
  }
  linear = prepare_cuda_features(api_, device, type, segments);
  if (folded.hidden == 0) create<T>(context, device, type, folded, series, {});
  fit_scales<T>(folded, series, model, [&](const std::vector<double>& weights) {
    context.control.throw_if_aborted();
    HiddenTails tails = group_tails(units, series, weights, TENSIM_CUDA_UNITS_GROUP);
    for (double& own : tails.owns) own = own == 0 ? 0 : own / tails.all;
    const TensimCudaUnitsTails given{tails.sums.data(), tails.owns.data()};
    if (on_device_ == nullptr) {
      create<T>(context, device, type, folded, series, given);
    } else {
      TensimCudaError error{};
      check_cuda(api_.units->measure(on_device_, &given, &error), error);
    }
    scales = model.scales;
    take_self(context, folded);
    model.self = self;
  });
  scales = model.scales;
  self.slices.resize(outputs);
}

template <class T>
void CudaUnits::create(const Context& context, int device, CudaType type, const FoldedUnits& folded,
                       const HiddenSeries& series, const TensimCudaUnitsTails& tails) {
  const FoldedUnits::Given& given = folded.given;
  const std::vector<double> gain = absent(given.gain) ? std::vector<double>() : vector_of(given.gain, given.gain.rows);
  const Narrowed weight(context, given.weight, gain), up(context, given.up, gain), down(context, given.down, {});
  const std::vector<double> wide = down.there() ? std::vector<double>() : row_major(folded.down.view);
  TensimCudaUnitsSource source{};
  source.single = type.single();
  source.gated = folded.gated ? 1 : 0;
  source.stepped = folded.gated && pieces_of(folded.activation).step ? 1 : 0;
  source.depth = folded.inputs;
  source.units = folded.hidden;
  source.outputs = folded.outputs;
  source.terms = series.terms;
  source.directions = narrow_or(weight, folded.directions.data());
  source.across = narrow_or(up, folded.across.data());
  source.down = narrow_or(down, wide.data());
  if (weight.there()) source.lengths = given.lengths.data();
  if (up.there()) source.along = folded.along.data();
  if (down.there() && !given.powers.empty()) source.down.factors = given.powers.data();
  source.p = series.p.data();
  source.q = series.q.data();
  source.tails = tails;
  TensimCudaError error{};
  check_cuda(api_.units->create(device, &source, &on_device_, &error), error);
}

// What pairs of different units add up to on the device, and every unit with itself.
void CudaUnits::take_self(const Context& context, const FoldedUnits& folded) {
  const std::vector<Pair> pairs{{this, this}};
  Work work{context, pairs, 0, 0, nullptr};
  self = products_of(api_, pairs, true, work).front();
  std::vector<UnitCovariance> covariances;
  for (const HiddenUnit& unit : units) covariances.push_back(own_covariance(unit));
  for (std::size_t c = 0; c < outputs; ++c) {
    for (std::size_t i = 0; i < units.size(); ++i) {
      const double down = element(folded.down.view, c, i), square = down * down;
      self.quadratic += square * covariances[i].quadratic;
      self.higher += square * covariances[i].higher;
      self.slices[c] += square * covariances[i].all;
    }
  }
}

CudaUnitsPointer prepare_cuda_units(const Context& context, const TensimCudaApi& api, int device, CudaType type,
                                    const FoldedUnits& folded, std::size_t positions) {
  return std::make_shared<CudaUnits>(context, api, device, type, folded, positions);
}

GramTile cuda_units_tile(const Context& context, const TensimCudaApi& api, const GramJob& job,
                         const std::vector<const CudaUnits*>& rows, const std::vector<const CudaUnits*>& columns) {
  GramTile tile;
  const std::size_t width = columns.size(), size = rows.size() * width;
  tile.total.assign(size, 0.0);
  if (size == 0) return tile;
  for (const auto* list : {&rows, &columns}) {
    for (const CudaUnits* model : *list) check(api, *rows.front(), *model);
  }
  const std::size_t outputs = rows.front()->outputs;
  const auto positions = static_cast<double>(rows.front()->positions);
  tile.bound.assign(size, 0.0);
  if (job.degrees) tile.per_degree.assign(kDegrees * size, 0.0);
  if (job.per_output) tile.per_output.assign(size * outputs, 0.0);

  // The product of a model with itself is known.
  std::vector<Pair> pairs;
  double flops = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t j = job.symmetric ? i : 0; j < width; ++j) {
      if (rows[i] == columns[j]) continue;
      pairs.push_back({rows[i], columns[j]});
      flops += flops_of(*rows[i], *columns[j]);
    }
  }
  Work work{context, pairs, 0, flops, nullptr};
  const std::vector<double> linear = linear_products(api, job.symmetric, rows, columns, work);
  work.after = 0;
  const std::vector<HiddenProducts> higher = products_of(api, pairs, job.per_output, work);

  const auto put = [&](std::size_t i, std::size_t j, std::size_t from, const HiddenProducts& own) {
    const std::size_t at = i * width + j;
    double constant = 0, first = 0, units = 0;
    for (std::size_t c = 0; c < outputs; ++c) {
      const double low = rows[i]->constant[c] * columns[j]->constant[c], product = linear[from * outputs + c];
      constant += low;
      first += product;
      if (!job.per_output) continue;
      units += own.slices[c];
      tile.per_output[at * outputs + c] = positions * (low + product + own.slices[c]);
      tile.total[at] += tile.per_output[at * outputs + c];  // to the bit what slices add up to in their order
    }
    // Without slices the device adds up all outputs at once.
    if (!job.per_output) tile.total[at] = positions * (constant + first + (own.quadratic + own.higher));
    tile.bound[at] = positions * own.bound;
    if (!job.degrees) return;
    // Degrees add up to the total, as in similarity/hidden_tile.
    double second = own.quadratic, rest = own.higher;
    if (job.per_output) {
      const bool quadratic = std::abs(second) >= std::abs(rest);
      (quadratic ? second : rest) = units - (quadratic ? rest : second);
    }
    const double degrees[kDegrees] = {constant, first, second, rest};
    for (std::size_t n = 0; n < kDegrees; ++n) tile.per_degree[kDegrees * at + n] = positions * degrees[n];
  };
  std::size_t next = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t j = job.symmetric ? i : 0; j < width; ++j) {
      const HiddenProducts& own = rows[i] == columns[j] ? rows[i]->self : higher[next++];
      put(i, j, i * width + j, own);
      if (job.symmetric && i != j) put(j, i, i * width + j, own);
    }
  }
  return tile;
}

}  // namespace tensim
