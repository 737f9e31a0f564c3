// Inside core/rq: this machine and process as worker records name them.
#pragma once

#include <string>

namespace call::rq {

std::string host_name();
/// False only when there is surely no such process on this machine.
bool process_lives(long pid);

}  // namespace call::rq
