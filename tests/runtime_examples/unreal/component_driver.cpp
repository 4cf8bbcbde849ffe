// component_driver model.pte audio.f32 rate: the plugin's component and Live Link source on stand-ins of the engine, mono float
// samples in. Prints `audible seconds value value ...`. Run by tests/runtime_examples/test_unreal.py.
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "SpeechFaceComponent.h"
#include "TinyfaceLibrary.h"
#include "UnrealStubs.h"

constexpr int kBlock = 256;

static void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "component_driver: %s%s%s\n", what, FStubEngine::said.empty() ? "" : ": ",
               FStubEngine::said.empty() ? "" : FStubEngine::said.back().c_str());
  std::exit(1);
}

static FString wide(const char* text) { return UTF8_TO_TCHAR(text); }

static std::vector<float> read_floats(const char* path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  std::vector<float> out(bytes.size() / sizeof(float));
  std::memcpy(out.data(), bytes.data(), out.size() * sizeof(float));
  return out;
}

static void speak(const char* model, const std::vector<float>& audio, int rate) {
  ILiveLinkClient client;
  IModularFeatures::Get().client = &client;
  USkeletalMeshComponent head, teeth;
  AActor actor;
  actor.meshes.Add(&head);
  actor.meshes.Add(&teeth);
  USpeechFaceComponent face;
  face.owner = &actor;
  face.Artefact = wide(model);
  face.SampleRateHz = rate, face.BlockSamples = kBlock;
  face.LiveLinkSubject = FName(u"Speaker");
  expect(face.PrimaryComponentTick.bCanEverTick && face.GetCurve(FName(u"jawOpen")) == 0, "before it plays");
  FStubEngine::seconds = 1000;
  face.BeginPlay();
  expect(FStubEngine::said.empty() && FStubEngine::files.back() == model, "it reads through the engine's files");
  for (const auto* mesh : {&head, &teeth}) expect(mesh->before.size() == 1 && mesh->before[0] == &face, "it ticks first");
  expect(client.sources.size() == 1 && client.sources[0]->IsSourceStillValid(), "it is a source");
  expect(client.subject.SubjectName == FName(u"Speaker") && client.subject.Source.value == 7 && client.role == "basic", "subject");
  expect(client.names.Num() == face.GetChannels().Num(), "every channel is sent");
  const int32 jaw = face.GetChannels().IndexOfByKey(FName(u"jawOpen"));
  expect(jaw >= 0 && client.names[std::size_t(jaw)] == FName(u"JawOpen"), "under the names that Apple sends");

  std::atomic<bool> done{false};
  std::thread animation([&] {  // a worker that poses the face meanwhile
    while (!done) expect(std::fabs(face.GetCurve(FName(u"jawOpen"))) <= 1, "a curve is within its channel's range");
  });
  for (std::size_t at = 0, block = 0; at + kBlock <= audio.size(); at += kBlock, ++block) {
    const double heard_s = double(at + kBlock) / rate;
    FStubEngine::seconds = 1000 + heard_s;
    face.PushAudio(&audio[at], kBlock);
    if (block % 3 != 2) continue;
    face.TickComponent(0.016f, LEVELTICK_All, nullptr);
    std::printf("audible %.17g", heard_s - double(face.LatencySeconds()));
    for (int32 i = 0; i < face.GetChannels().Num(); ++i) {
      const FName name = face.GetChannels()[std::size_t(i)];
      const float value = face.GetCurve(name);
      expect(head.morphs[name] == value && teeth.morphs[name] == value, "meshes show the curves");
      expect(client.last.PropertyValues[std::size_t(i)] == value, "Live Link has them");
      std::printf(" %.9g", double(value));
    }
    std::puts("");
    expect(client.last.WorldTime.seconds == FStubEngine::seconds, "of this instant");
  }
  face.EndPlay(EEndPlayReason::Destroyed);
  const int frames = client.frames;
  for (const auto& [name, value] : head.morphs) expect(value == 0 && teeth.morphs[name] == 0, "its meshes are left at rest");
  for (const float value : client.last.PropertyValues) expect(value == 0, "and so is Live Link's face");
  done = true;
  animation.join();
  expect(head.before.empty() && teeth.before.empty() && client.sources.empty(), "it leaves nothing behind");
  face.PushAudio(audio.data(), kBlock);
  face.TickComponent(0.016f, LEVELTICK_All, nullptr);
  expect(client.frames == frames && face.GetCurve(FName(u"jawOpen")) == 0, "over");
  expect(FStubEngine::said.empty(), "said something");
}

static void refusals(const char* model, const std::vector<float>& audio) {
  IModularFeatures::Get().client = nullptr;  // a game without the plugin LiveLink
  USpeechFaceComponent absent;
  absent.BeginPlay();
  expect(FStubEngine::said.size() == 1 && FStubEngine::files.back() == "/project/Content/Tinyface/model.pte", "absent");
  absent.PushAudio(audio.data(), kBlock);
  absent.TickComponent(0.016f, LEVELTICK_All, nullptr);
  expect(!absent.Restart() && absent.LatencySeconds() == 0, "nothing is open");
  absent.EndPlay(EEndPlayReason::Destroyed);
  FStubEngine::said.clear();
  USpeechFaceComponent face;
  face.Artefact = wide(model);
  face.SampleRateHz = 7000;
  face.LiveLinkSubject = FName(u"Speaker");
  face.BeginPlay();
  expect(FStubEngine::said.size() == 1 && FStubEngine::said[0].find("8000 to 96000") != std::string::npos, "rate");
  face.TickComponent(0.016f, LEVELTICK_All, nullptr);
  face.SampleRateHz = 16000;
  expect(face.Restart(), "it can be mended");
  face.TickComponent(0.016f, LEVELTICK_All, nullptr);
  face.EndPlay(EEndPlayReason::Destroyed);
  FStubEngine::said.clear();
}

// A take that cannot begin has ended the one before, in the midst of a word.
static void rests(const char* model, const std::vector<float>& audio, int rate) {
  USkeletalMeshComponent head;
  AActor actor;
  actor.meshes.Add(&head);
  USpeechFaceComponent face;
  face.owner = &actor;
  face.Artefact = wide(model);
  face.SampleRateHz = rate, face.BlockSamples = kBlock;
  face.BeginPlay();
  const auto most = [&] {
    float found = 0;
    for (const auto& [name, value] : head.morphs) found = std::fmax(found, std::fabs(value));
    return found;
  };
  for (std::size_t at = 0; at + kBlock <= audio.size() && !(at > audio.size() / 2 && most() > 0.02f); at += kBlock) {
    FStubEngine::seconds += double(kBlock) / rate;
    face.PushAudio(&audio[at], kBlock);
    face.TickComponent(0.016f, LEVELTICK_All, nullptr);
  }
  expect(most() > 0.02f, "it speaks");
  face.SampleRateHz = 4000;
  expect(!face.Restart() && most() == 0, "a refused take leaves the face at rest");
  face.TickComponent(0.016f, LEVELTICK_All, nullptr);
  face.EndPlay(EEndPlayReason::Destroyed);
  FStubEngine::said.clear();
}

bool IsTinyfaceLibraryLoaded() { return true; }

int main(int, char** words) {
  const std::vector<float> audio = read_floats(words[2]);
  speak(words[1], audio, std::atoi(words[3]));
  refusals(words[1], audio);
  rests(words[1], audio, std::atoi(words[3]));
  std::puts("done");
}
