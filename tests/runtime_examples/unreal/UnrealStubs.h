// The few types of Unreal that the plugin names, as far as it uses them: containers hold, locks lock, files are read, a mesh
// and a Live Link client remember what they were told. What they do is what Unreal's documentation says of them; Unreal
// itself was not run.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

using int32 = std::int32_t;
using uint8 = std::uint8_t;
using TCHAR = char16_t;
#define TEXT(words) u##words
#define UCLASS(...)
#define UPROPERTY(...)
#define UFUNCTION(...)
#define GENERATED_BODY() using Super = UActorComponent;
#define TINYFACE_API
#define DEFINE_LOG_CATEGORY_STATIC(name, ...) static int name
#define UE_LOG(category, verbosity, format, ...) ((void)category, FStubEngine::Say(__VA_ARGS__))
#define IMPLEMENT_MODULE(type, name) type name##Module;
#define LOCTEXT(key, words) FText(words)
#define TCHAR_TO_UTF8(text) FStubText(text).narrow.c_str()
#define UTF8_TO_TCHAR(text) FStubText(text).wide.c_str()
#define MoveTemp std::move
constexpr int32 INDEX_NONE = -1;

struct FStubText {  // of seven bits
  explicit FStubText(const char* text) : narrow(text) { wide.assign(narrow.begin(), narrow.end()); }
  explicit FStubText(const TCHAR* text) : wide(text) {
    for (const TCHAR sign : wide) narrow += static_cast<char>(sign);
  }
  std::string narrow;
  std::u16string wide;
};

// What stands in for the engine itself, to be set and asked by the driver.
struct FStubEngine {
  static inline double seconds = 0;
  static inline std::vector<std::string> said, files, freed;  // logged, read, and libraries that were let go
  static inline std::string plugins;  // where this one lies
  static void Say(const TCHAR* text) { said.push_back(FStubText(text).narrow); }
};

struct FString {
  FString(const TCHAR* from) : text(from) {}
  const TCHAR* operator*() const { return text.c_str(); }
  friend FString operator/(const FString& a, const FString& b) { return (a.text + u"/" + b.text).c_str(); }
  std::u16string text;
};
struct FName {
  FName() = default;
  explicit FName(const TCHAR* from) : text(from) {}
  bool IsNone() const { return text.empty(); }
  FString ToString() const { return text.c_str(); }
  bool operator==(const FName& other) const { return text == other.text; }
  bool operator<(const FName& other) const { return text < other.text; }
  std::u16string text;
};
struct FText {
  explicit FText(const char* from) : text(from) {}
  std::string text;
};
template <class Type>
struct TArray : std::vector<Type> {
  int32 Num() const { return int32(this->size()); }
  void Add(const Type& value) { this->push_back(value); }
  void Reset() { this->clear(); }
  void SetNumZeroed(int32 count) { this->assign(std::size_t(count), Type{}); }
  Type* GetData() { return this->data(); }
  template <class Key>
  int32 IndexOfByKey(const Key& key) const {
    for (int32 i = 0; i < Num(); ++i)
      if ((*this)[std::size_t(i)] == key) return i;
    return INDEX_NONE;
  }
  template <class Other>
  void Append(const TArray<Other>& more) { this->insert(this->end(), more.begin(), more.end()); }
};
template <class Type>
struct TObjectPtr {
  TObjectPtr(Type* to) : to(to) {}
  operator Type*() const { return to; }
  Type* to;
};
template <class Type>
using TPimplPtr = std::shared_ptr<Type>;
template <class Type>
TPimplPtr<Type> MakePimpl() { return std::make_shared<Type>(); }
template <class Type>
struct TSharedPtr : std::shared_ptr<Type> {
  using std::shared_ptr<Type>::shared_ptr;
  void Reset() { this->reset(); }
};
template <class Type, class... Arguments>
TSharedPtr<Type> MakeShared(Arguments&&... arguments) {
  return TSharedPtr<Type>(new Type(std::forward<Arguments>(arguments)...));
}
struct FMemory {
  static void Memcpy(void* to, const void* from, std::size_t bytes) { std::memcpy(to, from, bytes); }
};
struct FPlatformTime {
  static double Seconds() { return FStubEngine::seconds; }
};
struct FFileHelper {
  static bool LoadFileToArray(TArray<uint8>& out, const TCHAR* path) {
    FStubEngine::files.push_back(FStubText(path).narrow);
    std::ifstream file(FStubEngine::files.back(), std::ios::binary);
    out.assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    return bool(file);
  }
};
struct FPaths {
  static bool IsRelative(const FString& path) { return path.text[0] != u'/'; }
  static FString ProjectContentDir() { return u"/project/Content"; }
};
struct FCriticalSection {
  bool TryLock() { return mutex.try_lock(); }
  void Unlock() { mutex.unlock(); }
  std::mutex mutex;
};
struct FScopeLock {
  explicit FScopeLock(FCriticalSection* section) : section(section) { section->mutex.lock(); }
  ~FScopeLock() { section->mutex.unlock(); }
  FCriticalSection* section;
};
namespace EEndPlayReason { enum Type { Destroyed }; }
enum ELevelTick { LEVELTICK_All };
enum ETickingGroup { TG_PrePhysics };
struct FActorComponentTickFunction {
  bool bCanEverTick = false;
  ETickingGroup TickGroup = TG_PrePhysics;
};
class IModuleInterface {
 public:
  virtual ~IModuleInterface() = default;
  virtual void StartupModule() {}
  virtual void ShutdownModule() {}
};
struct IPlugin {
  FString GetBaseDir() const { return FStubText(FStubEngine::plugins.c_str()).wide.c_str(); }
};
struct IPluginManager {
  static IPluginManager& Get() {
    static IPluginManager one;
    return one;
  }
  std::shared_ptr<IPlugin> FindPlugin(const FString& name) {
    return name.text == u"Tinyface" ? std::make_shared<IPlugin>() : nullptr;
  }
};
struct FPlatformProcess {  // a library that is a file is loaded
  static void* GetDllHandle(const TCHAR* path) {
    const std::string name = FStubText(path).narrow;
    return std::ifstream(name) ? new std::string(name) : nullptr;
  }
  static void FreeDllHandle(void* handle) {
    FStubEngine::freed.push_back(*static_cast<std::string*>(handle));
    delete static_cast<std::string*>(handle);
  }
};
class USkeletalMeshComponent {
 public:
  void SetMorphTarget(FName name, float value) { morphs[name] = value; }
  void AddTickPrerequisiteComponent(class UActorComponent* first) { before.push_back(first); }
  void RemoveTickPrerequisiteComponent(class UActorComponent* first) {
    for (auto it = before.begin(); it != before.end(); ++it)
      if (*it == first) return void(before.erase(it));
  }
  std::map<FName, float> morphs;
  std::vector<class UActorComponent*> before;
};
class AActor {
 public:
  void GetComponents(TArray<USkeletalMeshComponent*>& out) const { out = meshes; }
  TArray<USkeletalMeshComponent*> meshes;
};
class UActorComponent {
 public:
  virtual ~UActorComponent() = default;
  virtual void BeginPlay() {}
  virtual void EndPlay(const EEndPlayReason::Type) {}
  virtual void TickComponent(float, ELevelTick, FActorComponentTickFunction*) {}
  AActor* GetOwner() const { return owner; }
  FActorComponentTickFunction PrimaryComponentTick;
  AActor* owner = nullptr;
};

// ------------------------------------------------------------------------------------------------------- Live Link
struct FGuid { int value = 0; };
struct FLiveLinkSubjectKey {
  FGuid Source;
  FName SubjectName;
};
struct FLiveLinkWorldTime {
  FLiveLinkWorldTime(double seconds = 0, double offset = 0) : seconds(seconds + offset) {}
  double seconds;
};
template <class Data>
struct FStubData {  // whose kind of struct is asked for, as Unreal's is
  explicit FStubData(const char* kind) : kind(kind) {}
  template <class Type>
  Type* Cast() { return std::strcmp(kind, Type::StaticStruct()) ? nullptr : &data; }
  const char* kind;
  Data data;
};
struct FLiveLinkBaseStaticData {
  static const char* StaticStruct() { return "static"; }
  TArray<FName> PropertyNames;
};
struct FLiveLinkBaseFrameData {
  static const char* StaticStruct() { return "frame"; }
  FLiveLinkWorldTime WorldTime;
  TArray<float> PropertyValues;
};
using FLiveLinkStaticDataStruct = FStubData<FLiveLinkBaseStaticData>;
using FLiveLinkFrameDataStruct = FStubData<FLiveLinkBaseFrameData>;
struct ULiveLinkBasicRole {
  static const char* StaticClass() { return "basic"; }
};
class ILiveLinkClient;
class ILiveLinkSource {
 public:
  virtual ~ILiveLinkSource() = default;
  virtual void ReceiveClient(ILiveLinkClient* client, FGuid guid) = 0;
  virtual bool IsSourceStillValid() const = 0;
  virtual bool RequestSourceShutdown() = 0;
  virtual FText GetSourceType() const = 0;
  virtual FText GetSourceMachineName() const = 0;
  virtual FText GetSourceStatus() const = 0;
};
class ILiveLinkClient {
 public:
  static inline const FName ModularFeatureName{u"ModularFeature_LiveLink"};
  void AddSource(const TSharedPtr<ILiveLinkSource>& source) {
    sources.push_back(source);
    source->ReceiveClient(this, FGuid{7});
  }
  void RemoveSource(const TSharedPtr<ILiveLinkSource>& source) {
    for (auto it = sources.begin(); it != sources.end(); ++it)
      if (*it == source) {
        source->RequestSourceShutdown();
        return void(sources.erase(it));
      }
  }
  void PushSubjectStaticData_AnyThread(const FLiveLinkSubjectKey& key, const char* role, FLiveLinkStaticDataStruct&& data) {
    subject = key, this->role = role, names = data.data.PropertyNames;
  }
  void PushSubjectFrameData_AnyThread(const FLiveLinkSubjectKey&, FLiveLinkFrameDataStruct&& data) {
    ++frames, last = data.data;
  }
  std::vector<TSharedPtr<ILiveLinkSource>> sources;
  FLiveLinkSubjectKey subject;
  std::string role;
  TArray<FName> names;
  int frames = 0;
  FLiveLinkBaseFrameData last;
};
struct IModularFeatures {
  static IModularFeatures& Get() {
    static IModularFeatures one;
    return one;
  }
  bool IsModularFeatureAvailable(const FName& name) const { return client && name == ILiveLinkClient::ModularFeatureName; }
  template <class Type>
  Type& GetModularFeature(const FName&) { return *client; }
  ILiveLinkClient* client = nullptr;
};
