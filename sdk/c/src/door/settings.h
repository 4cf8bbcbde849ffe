// A caller's config of a stream, checked.
#pragma once

#include <cstddef>

#include "base/failure.h"
#include "voices/stream.h"

namespace fp {

constexpr std::size_t kStreamConfigV1 = offsetof(fp_stream_config, buffer_samples) + sizeof(uint32_t);

// FP_BAD_RATE or FP_BAD_ARGUMENT, with what is out of range.
Failure read_settings(const fp_stream_config& config, const Manifest& manifest, StreamSettings* settings);

// Whether `strengths` can be a style of the artefact: FP_BAD_ARGUMENT if not, with what is wrong.
fp_status check_style(const Manifest& manifest, const float* strengths, std::uint32_t count, fp_error* error) noexcept;

}  // namespace fp
