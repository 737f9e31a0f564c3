#include "core/redis/reply.hpp"

namespace call::redis {

std::vector<std::string> texts(const Reply& reply) {
  std::vector<std::string> out;
  out.reserve(reply.items.size());
  for (const Reply& item : reply.items) out.push_back(item.text);
  return out;
}

}  // namespace call::redis
