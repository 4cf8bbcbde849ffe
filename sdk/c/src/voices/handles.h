// The three opaque handles of frame_stream.h.
#pragma once

#include "artefact/visemes.h"
#include "run/model.h"
#include "voices/crowd.h"
#include "voices/stream.h"
#include "voices/track.h"

namespace fp {

// What a handle is, so that another kind of handle, or one that was given back, is told from it as far as can be.
struct Tag {
  explicit Tag(std::uint32_t kind) : value(kind) {}
  ~Tag() { *const_cast<volatile std::uint32_t*>(&value) = 0; }
  std::uint32_t value;
};

}  // namespace fp

struct fp_model {
  static constexpr std::uint32_t kKind = 0x6d616601;
  explicit fp_model(fp::Shared<fp::Model> given)
      : tag(kKind), model(std::move(given)), visemes(model->manifest().names) {}
  fp::Tag tag;
  fp::Shared<fp::Model> model;
  fp::Visemes visemes;
};

struct fp_stream {
  static constexpr std::uint32_t kKind = 0x6d616602;
  fp_stream(const fp::Shared<fp::Model>& given, std::int64_t rate_hz, const fp::StreamSettings& settings)
      : tag(kKind), model(given), stream(given->manifest(), given->engine(), given->bank(rate_hz), settings) {}
  fp::Tag tag;
  fp::Shared<fp::Model> model;  // outlives the stream
  fp::Stream stream;
};

struct fp_crowd {
  static constexpr std::uint32_t kKind = 0x6d616603;
  explicit fp_crowd(const fp::Shared<fp::Model>& given) : tag(kKind), model(given), crowd(given->manifest()) {}
  fp::Tag tag;
  fp::Shared<fp::Model> model;  // outlives the crowd
  fp::Crowd crowd;
};

struct fp_track {
  static constexpr std::uint32_t kKind = 0x6d616604;
  fp_track(const fp::Shared<fp::Model>& given, std::int64_t rate_hz, const fp::StreamSettings& settings,
           const fp::TrackSettings& own)
      : tag(kKind), model(given), track(*given, rate_hz, settings, own) {}
  fp::Tag tag;
  fp::Shared<fp::Model> model;  // outlives the track
  fp::Track track;
};
