// The few types of Unreal that the plugin names, so that a compiler can check its syntax and its calls. Nothing here works.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
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
#define UE_LOG(category, verbosity, format, ...) ((void)category, (void)(__VA_ARGS__))
#define IMPLEMENT_MODULE(type, name) type name##Module;
#define TCHAR_TO_UTF8(text) FStubText(text).Narrow()
#define UTF8_TO_TCHAR(text) FStubText(text).Wide()
constexpr int32 INDEX_NONE = -1;

struct FStubText {
  explicit FStubText(const char*) {}
  explicit FStubText(const TCHAR*) {}
  const char* Narrow() const { return ""; }
  const TCHAR* Wide() const { return u""; }
};
struct FString {
  FString(const TCHAR*) {}
  const TCHAR* operator*() const { return u""; }
  friend FString operator/(const FString& a, const FString&) { return a; }
};
struct FName {
  explicit FName(const TCHAR*) {}
  bool operator==(const FName&) const { return true; }
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
struct FMemory {
  static void Memcpy(void* to, const void* from, std::size_t bytes) { std::memcpy(to, from, bytes); }
};
struct FPlatformTime {
  static double Seconds() { return 0; }
};
struct FFileHelper {
  static bool LoadFileToArray(TArray<uint8>&, const TCHAR*) { return true; }
};
struct FPaths {
  static bool IsRelative(const FString&) { return true; }
  static FString ProjectContentDir() { return u""; }
  static FString ConvertRelativePathToFull(const FString& path) { return path; }
};
struct FCriticalSection {
  bool TryLock() { return true; }
  void Unlock() {}
};
struct FScopeLock {
  explicit FScopeLock(FCriticalSection*) {}
  ~FScopeLock() {}
};
namespace EEndPlayReason { enum Type { Destroyed }; }
enum ELevelTick { LEVELTICK_All };
enum ETickingGroup { TG_PrePhysics };
struct FActorComponentTickFunction {
  bool bCanEverTick = false;
  ETickingGroup TickGroup = TG_PrePhysics;
};
struct FDefaultModuleImpl {};
class USkeletalMeshComponent {
 public:
  void SetMorphTarget(FName, float) {}
  void AddTickPrerequisiteComponent(class UActorComponent*) {}
};
class AActor {
 public:
  void GetComponents(TArray<USkeletalMeshComponent*>&) const {}
};
class UActorComponent {
 public:
  virtual ~UActorComponent() = default;
  virtual void BeginPlay() {}
  virtual void EndPlay(const EEndPlayReason::Type) {}
  virtual void TickComponent(float, ELevelTick, FActorComponentTickFunction*) {}
  AActor* GetOwner() const { return nullptr; }
  FActorComponentTickFunction PrimaryComponentTick;
};
