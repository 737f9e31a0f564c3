#include <algorithm>
#include <condition_variable>
#include <list>
#include <mutex>
#include <utility>

#include "core/base/affinity.hpp"
#include "core/base/assert.hpp"
#include "core/speech/recognizer.hpp"

namespace call::speech {

struct RecognizerPool::Impl {
  struct Idle {
    std::shared_ptr<const PhraseModel> model;
    std::unique_ptr<Recognizer> recognizer;
  };
  std::size_t max = 0;
  mutable std::mutex mutex;
  std::condition_variable returned;
  std::list<Idle> idle;  ///< the most recently used first
  std::size_t lent = 0;  ///< includes those being loaded
};

RecognizerPool::RecognizerPool(std::size_t max) : impl_(std::make_unique<Impl>()) {
  CALL_ASSERT(max > 0);
  impl_->max = max;
}

RecognizerPool::~RecognizerPool() {
  CALL_ASSERT(impl_->lent == 0);
}

Result<RecognizerPool::Lease> RecognizerPool::checkout(
    const std::shared_ptr<const PhraseModel>& model, Deadline deadline) {
  assert_may_block("speech::RecognizerPool::checkout");
  std::unique_ptr<Recognizer> found;
  Impl::Idle evicted;  // freed after the lock is
  {
    std::unique_lock lock(impl_->mutex);
    const bool free =
        impl_->returned.wait_for(lock, deadline.left(), [&] { return impl_->lent < impl_->max; });
    if (!free)
      return Error{Errc::timeout, "all " + std::to_string(impl_->max) + " recognizers are busy"};
    auto& idle = impl_->idle;
    const auto it = std::find_if(idle.begin(), idle.end(),
                                 [&](const Impl::Idle& i) { return i.model == model; });
    if (it != idle.end()) {
      found = std::move(it->recognizer);
      idle.erase(it);
    } else if (!idle.empty() && impl_->lent + idle.size() >= impl_->max) {
      evicted = std::move(idle.back());
      idle.pop_back();
    }
    ++impl_->lent;
  }
  if (!found) {
    auto created = Recognizer::create(model);
    if (!created) {
      give_back(model, nullptr);
      return std::move(created).error();
    }
    found = *std::move(created);
  }
  found->new_caller();
  return Lease(this, model, std::move(found));
}

void RecognizerPool::give_back(const std::shared_ptr<const PhraseModel>& model,
                               std::unique_ptr<Recognizer> recognizer) {
  if (recognizer) recognizer->cancel();
  {
    std::lock_guard lock(impl_->mutex);
    --impl_->lent;
    if (recognizer) impl_->idle.push_front({model, std::move(recognizer)});
  }
  impl_->returned.notify_one();
}

std::size_t RecognizerPool::existing() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->lent + impl_->idle.size();
}

std::size_t RecognizerPool::idle() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->idle.size();
}

RecognizerPool::Lease::Lease(RecognizerPool* pool, std::shared_ptr<const PhraseModel> model,
                             std::unique_ptr<Recognizer> recognizer)
    : pool_(pool), model_(std::move(model)), recognizer_(std::move(recognizer)) {}

RecognizerPool::Lease::Lease(Lease&& other) noexcept
    : pool_(std::exchange(other.pool_, nullptr)),
      model_(std::move(other.model_)),
      recognizer_(std::move(other.recognizer_)) {}

RecognizerPool::Lease& RecognizerPool::Lease::operator=(Lease&& other) noexcept {
  if (this == &other) return *this;
  if (pool_ != nullptr) pool_->give_back(model_, std::move(recognizer_));
  pool_ = std::exchange(other.pool_, nullptr);
  model_ = std::move(other.model_);
  recognizer_ = std::move(other.recognizer_);
  return *this;
}

RecognizerPool::Lease::~Lease() {
  if (pool_ != nullptr) pool_->give_back(model_, std::move(recognizer_));
}

}  // namespace call::speech
