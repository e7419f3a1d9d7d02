#include "quadratic_products.h"

#include <algorithm>

#include "../core/scratch.h"

namespace tensim {
namespace {

// Flops in one task: some tenths of a millisecond, so that handing tasks out costs nothing beside doing them.
constexpr std::size_t kFlopsPerTask = std::size_t{1} << 24;

// Pairs are taken in squares of this many models by as many, which then stay in the last cache while they are needed.
constexpr std::size_t kNeighbours = 4;

// A group of pairs is computed before its sums are added up: as many as keep the sums, and the metrics of unfolded
// models, at some megabytes.
constexpr std::size_t kGroupElements = std::size_t{1} << 20;

}  // namespace

template <class T>
QuadraticProducts<T>::QuadraticProducts(const Context& context, bool symmetric,
                                        const std::vector<const PreparedModel<T>*>& rows,
                                        const std::vector<const PreparedModel<T>*>& columns)
    : context_(context),
      rows_(rows),
      columns_(columns),
      outputs_(rows.front()->outputs),
      kernel_(context),
      metric_(context) {
  const auto add_pair = [&](std::size_t i, std::size_t j) {
    const PreparedModel<T>&a = *rows[i], &b = *columns[j];
    if ((symmetric && i > j) || a.row_panel_count == 0 || b.row_panel_count == 0) return;
    pairs_.push_back({i, j});
    for (std::size_t part = 0; part < kernel_.parts(a, b); ++part) flops_ += kernel_.flops(a, b, part);
    if (a.unfolded()) flops_ += metric_.flops(a, b);
  };
  for (std::size_t i0 = 0; i0 < rows.size(); i0 += kNeighbours) {
    for (std::size_t j0 = 0; j0 < columns.size(); j0 += kNeighbours) {
      for (std::size_t i = i0; i < std::min(rows.size(), i0 + kNeighbours); ++i) {
        for (std::size_t j = j0; j < std::min(columns.size(), j0 + kNeighbours); ++j) add_pair(i, j);
      }
    }
  }
}

template <class T>
void QuadraticProducts<T>::add(double* slices) const {
  std::size_t first = 0, elements = 0;
  for (std::size_t p = 0; p < pairs_.size(); ++p) {
    const PreparedModel<T>&a = row(p), &b = column(p);
    elements += kernel_.parts(a, b) * outputs_ + (a.unfolded() ? a.depth * b.depth : 0);
    if (elements < kGroupElements && p + 1 < pairs_.size()) continue;
    add_group(first, p + 1, slices);
    first = p + 1;
    elements = 0;
  }
}

template <class T>
std::vector<AlignedBuffer<T>> QuadraticProducts<T>::metrics_of(std::size_t first, std::size_t last) const {
  std::vector<AlignedBuffer<T>> metrics(last - first);
  std::vector<Unit> units;
  for (std::size_t p = first; p < last; ++p) {
    const PreparedModel<T>&a = row(p), &b = column(p);
    if (!a.unfolded()) continue;
    metrics[p - first] = AlignedBuffer<T>(metric_.size(a, b));
    for (std::size_t panel = 0; panel < metric_.panels(b); ++panel) units.push_back({p, panel});
  }
  context_.parallel_for(units.size(), [&](std::size_t u) {
    const auto [p, panel] = units[u];
    metric_.run(row(p), column(p), panel, metrics[p - first].data());
  });
  return metrics;
}

template <class T>
void QuadraticProducts<T>::add_group(std::size_t first, std::size_t last, double* slices) const {
  const std::vector<AlignedBuffer<T>> metrics = metrics_of(first, last);
  std::vector<Unit> units;
  std::vector<std::size_t> task_ends;  // in units
  std::size_t in_task = 0;
  for (std::size_t p = first; p < last; ++p) {
    for (std::size_t part = 0; part < kernel_.parts(row(p), column(p)); ++part) {
      units.push_back({p, part});
      in_task += kernel_.flops(row(p), column(p), part);
      if (in_task < kFlopsPerTask) continue;
      task_ends.push_back(units.size());
      in_task = 0;
    }
  }
  if (in_task > 0) task_ends.push_back(units.size());

  std::vector<double> sums(units.size() * outputs_);
  context_.parallel_for(task_ends.size(), [&](std::size_t task) {
    Scratch<T> moved;
    const std::size_t end = task_ends[task];
    for (std::size_t u = task == 0 ? 0 : task_ends[task - 1]; u < end; ++u) {
      const auto [p, part] = units[u];
      const PreparedModel<T>&a = row(p), &b = column(p);
      const T* panels = kernel_.panels(a, part);
      std::size_t flops = kernel_.flops(a, b, part);
      if (a.unfolded()) {
        const std::size_t size = kernel_.panel_count(a, part) * metric_.moved_size(b);
        if (moved.size() < size) moved = Scratch<T>(size);
        metric_.move(a, b, panels, kernel_.panel_count(a, part), metrics[p - first].data(), moved.data());
        panels = moved.data();
        if (part == 0) flops += metric_.flops(a, b);
      }
      const PreparedModel<T>* after = u + 1 < end ? &column(units[u + 1].pair) : nullptr;
      const bool unlike = after != nullptr && after != &b && after->depth == b.depth;
      kernel_.run(a, b, part, panels, sums.data() + u * outputs_, unlike ? after->column_panels.data() : nullptr);
      context_.control.advance(flops);
    }
  });
  for (std::size_t u = 0; u < units.size(); ++u) {
    const Pair& pair = pairs_[units[u].pair];
    double* to = slices + pair.row * columns_.size() + pair.column;
    for (std::size_t c = 0; c < outputs_; ++c) to[c * rows_.size() * columns_.size()] += sums[u * outputs_ + c];
  }
}

template class QuadraticProducts<double>;
template class QuadraticProducts<float>;

}  // namespace tensim
