#include <list>
#include <unordered_map>
#include <utility>

#include "core/base/guarded.hpp"
#include "core/speech/synthesizer.hpp"

namespace call::speech {
namespace {

struct Entry {
  std::string key;
  std::shared_ptr<const audio::Pcm> pcm;
};

std::size_t cost(const Entry& entry) {
  return entry.pcm->size() * sizeof(std::int16_t) + entry.key.size() + sizeof(Entry);
}

struct Shelf {
  std::list<Entry> entries;  ///< the most recently used first
  std::unordered_map<std::string, std::list<Entry>::iterator> by_key;
  std::size_t bytes = 0;

  void drop(std::list<Entry>::iterator it) {
    bytes -= cost(*it);
    by_key.erase(it->key);
    entries.erase(it);
  }
};

}  // namespace

struct PromptCache::Impl {
  std::size_t max_bytes = 0;
  Guarded<Shelf> shelf;
};

PromptCache::PromptCache(std::size_t max_bytes) : impl_(std::make_unique<Impl>()) {
  impl_->max_bytes = max_bytes;
}

PromptCache::~PromptCache() = default;

std::shared_ptr<const audio::Pcm> PromptCache::find(const std::string& key) {
  return impl_->shelf.with([&](Shelf& shelf) -> std::shared_ptr<const audio::Pcm> {
    const auto found = shelf.by_key.find(key);
    if (found == shelf.by_key.end()) return nullptr;
    shelf.entries.splice(shelf.entries.begin(), shelf.entries, found->second);
    return found->second->pcm;
  });
}

void PromptCache::put(const std::string& key, std::shared_ptr<const audio::Pcm> pcm) {
  Entry entry{key, std::move(pcm)};
  if (cost(entry) > impl_->max_bytes / 4) return;
  impl_->shelf.with([&](Shelf& shelf) {
    if (const auto old = shelf.by_key.find(key); old != shelf.by_key.end()) shelf.drop(old->second);
    shelf.bytes += cost(entry);
    shelf.entries.push_front(std::move(entry));
    shelf.by_key[key] = shelf.entries.begin();
    while (shelf.bytes > impl_->max_bytes) shelf.drop(std::prev(shelf.entries.end()));
  });
}

std::size_t PromptCache::bytes() const {
  return impl_->shelf.with([](const Shelf& shelf) { return shelf.bytes; });
}

}  // namespace call::speech
