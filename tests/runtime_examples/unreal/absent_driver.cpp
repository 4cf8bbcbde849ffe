// driver: the component in a game whose native library was not loaded, where any call into it would end the game.
#include <cstdio>
#include <cstdlib>

#include "SpeechFaceComponent.h"
#include "TinyfaceLibrary.h"
#include "UnrealStubs.h"
#include "frame_stream.h"

bool IsTinyfaceLibraryLoaded() { return false; }

extern "C" {
std::uint32_t fp_abi_version(void) { std::abort(); }
fp_status fp_model_open_memory(const void*, std::size_t, fp_model**, fp_error*) { std::abort(); }
fp_status fp_model_get_info(const fp_model*, fp_model_info*, fp_error*) { std::abort(); }
const char* fp_model_channel_name(const fp_model*, std::uint32_t) { std::abort(); }
fp_status fp_model_channel_range(const fp_model*, std::uint32_t, float*, float*, float*, fp_error*) { std::abort(); }
void fp_model_close(fp_model*) { std::abort(); }
fp_status fp_track_create(const fp_model*, const fp_stream_config*, const fp_track_config*, fp_track**, fp_error*) { std::abort(); }
fp_status fp_track_push_f32(fp_track*, const float*, std::size_t, double, fp_error*) { std::abort(); }
fp_status fp_track_pull(fp_track*, double, float*, std::uint32_t, fp_error*) { std::abort(); }
double fp_track_delay_s(const fp_track*) { std::abort(); }
void fp_track_destroy(fp_track*) { std::abort(); }
}

int main() {
  for (int i = 0; i < 2; ++i) {
    USpeechFaceComponent face;
    face.BeginPlay();
    const float sound[64] = {};
    face.PushAudio(sound, 64);
    face.TickComponent(0.016f, LEVELTICK_All, nullptr);
    if (face.Restart() || face.LatencySeconds() != 0 || face.GetCurve(FName(u"jawOpen")) != 0) return 1;
    face.EndPlay(EEndPlayReason::Destroyed);
  }
  for (const std::string& text : FStubEngine::said) std::printf("%s\n", text.c_str());
}
