// How loud a track is over time, for drawings. Pure.
#pragma once

#include <cstddef>
#include <vector>

#include "core/audio/format.hpp"

namespace call::report {

/// One value for each of `slices` equal parts of the track: 0 is silence, 1 as loud as a telephone
/// gets. The loudest 20 ms of a part count, so that a short word in a long part is not lost.
std::vector<float> loudness(audio::PcmView track, std::size_t slices);

}  // namespace call::report
