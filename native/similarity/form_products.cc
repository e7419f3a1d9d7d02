#include "form_products.h"

#include <algorithm>

#include "../core/scratch.h"

namespace tensim {
namespace {

// Of the forms of all models at a time. The more, the more rows share what is read of a model's factors.
constexpr std::size_t kRangeBytes = std::size_t{32} << 20;
// Tasks that ranges are cut into for a thread, where models are few.
constexpr std::size_t kTasksPerThread = 4;
constexpr std::size_t kSmallestTask = 512;

}  // namespace

template <class T>
FormProducts<T>::FormProducts(const Context& context, bool symmetric, const Models& rows, const Models& columns)
    : context_(context), symmetric_(symmetric), rows_(rows), columns_(columns) {
  if (rows.empty() || rows.front()->route != Route::kDense) return;
  size_ = dense_form_size(rows.front()->inputs);
  for (const Models* models : {&rows, &columns}) {
    for (const PreparedModel<T>* model : *models) {
      if (model->factors.units > 0) made_.push_back(model);
    }
  }
  std::sort(made_.begin(), made_.end());
  made_.erase(std::unique(made_.begin(), made_.end()), made_.end());
  blocks_ = model_blocks(symmetric, rows.size(), columns.size());
  for (const ModelBlock& block : blocks_) area_ += block.area();
}

template <class T>
std::uint64_t FormProducts<T>::flops() const {
  if (size_ == 0) return 0;
  const std::size_t outputs = rows_.front()->outputs;
  std::uint64_t elements = outputs * area_;
  for (const PreparedModel<T>* model : made_) elements += (outputs + 1) * model->factors.units;
  return 2 * elements * size_;
}

template <class T>
void FormProducts<T>::add(double* slices) const {
  if (size_ == 0) return;
  for (const OutputGroup& group : output_groups(context_.kernels.of<T>(), rows_.front()->outputs))
    add_group(group, slices);
}

template <class T>
void FormProducts<T>::add_group(const OutputGroup& group, double* slices) const {
  constexpr std::size_t kStep = product_step<T>();
  const std::size_t wanted = kRangeBytes / sizeof(T) / std::max<std::size_t>(1, made_.size() * group.count);
  // Whole steps of a part.
  const std::size_t pitch = std::clamp(wanted / kStep * kStep, kStep, kProductPart);
  Scratch<T> ranges(made_.size() * group.count * pitch);
  std::vector<BlockProducts<T>> products;
  products.reserve(group.count * blocks_.size());
  for (std::size_t c = 0; c < group.count; ++c) {
    for (const ModelBlock& block : blocks_) products.emplace_back(context_, symmetric_, block);
  }
  for (std::size_t part = 0; part < size_; part += kProductPart) {
    const std::size_t part_end = std::min(size_, part + kProductPart);
    for (std::size_t begin = part; begin < part_end; begin += pitch) {
      const std::size_t end = std::min(part_end, begin + pitch);
      expand_all(group, begin, end, ranges.data(), pitch);
      // Element 0 of a vector is `begin` of the form.
      const auto vector_of = [&](const PreparedModel<T>& model, std::size_t c) -> const T* {
        if (!model.forms.empty()) return model.forms.data() + (group.first + c) * size_ + begin;
        const auto place = std::lower_bound(made_.begin(), made_.end(), &model);
        if (place == made_.end() || *place != &model) return nullptr;
        return ranges.data() + (static_cast<std::size_t>(place - made_.begin()) * group.count + c) * pitch;
      };
      context_.parallel_for(products.size(), [&](std::size_t task) {
        const std::size_t c = task / blocks_.size();
        std::vector<const T*> above, across;
        for (const PreparedModel<T>* model : rows_) above.push_back(vector_of(*model, c));
        for (const PreparedModel<T>* model : columns_) across.push_back(vector_of(*model, c));
        products[task].add(above, across, 0, end - begin, begin == part);
      });
    }
    for (std::size_t task = 0; task < products.size(); ++task) {
      const ModelBlock& block = blocks_[task % blocks_.size()];
      double* const slice = slices + (group.first + task / blocks_.size()) * rows_.size() * columns_.size();
      products[task].put(slice + block.i0 * columns_.size() + block.j0, columns_.size(), true);
    }
  }
}

template <class T>
void FormProducts<T>::expand_all(const OutputGroup& group, std::size_t begin, std::size_t end, T* to,
                                 std::size_t pitch) const {
  if (made_.empty()) return;
  const std::size_t length = end - begin, tasks = kTasksPerThread * context_.threads;
  const std::size_t pieces = std::clamp<std::size_t>((tasks + made_.size() - 1) / made_.size(), 1,
                                                     (length + kSmallestTask - 1) / kSmallestTask);
  context_.parallel_for(made_.size() * pieces, [&](std::size_t task) {
    const std::size_t model = task / pieces, piece = task % pieces;
    const std::size_t from = length * piece / pieces, last = length * (piece + 1) / pieces;
    const FormFactors<T>& factors = made_[model]->factors;
    expand(context_, factors, group, begin + from, begin + last, to + model * group.count * pitch + from, pitch);
    context_.control.advance(2 * (group.count + 1) * factors.units * (last - from));
  });
}

template class FormProducts<double>;
template class FormProducts<float>;

}  // namespace tensim
