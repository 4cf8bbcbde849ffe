// One voice of either family: audio at 16 kHz in, predictions at the ticks of a clock out.
#pragma once

#include <variant>

#include "voices/stream_voice.h"
#include "voices/window_voice.h"

namespace fp {

using Voice = std::variant<WindowVoice, StreamVoice>;

// A voice of `engine`'s kind, before any sample. buffer_samples: as StreamVoice has it.
inline Voice open_voice(const Manifest& manifest, Engine& engine, const Ticks& ticks, std::int64_t buffer_samples) {
  if (auto* const stream = std::get_if<StreamEngine>(&engine))
    return Voice(std::in_place_type<StreamVoice>, manifest, *stream, ticks, buffer_samples);
  return Voice(std::in_place_type<WindowVoice>, manifest, std::get<WindowEngine>(engine), ticks);
}

}  // namespace fp
