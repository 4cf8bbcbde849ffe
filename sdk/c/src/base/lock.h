// A mutex, or nothing in a build without threads (FP_NO_THREADS: WebAssembly in one worker, a microcontroller).
#pragma once

#if defined(FP_NO_THREADS)

namespace fp {

struct Mutex {};
struct Lock {
  explicit Lock(Mutex&) noexcept {}
  ~Lock() {}
};

}  // namespace fp

#else

#if defined(_WIN32)
extern "C" {  // as windows.h has them, without all else that it has
__declspec(dllimport) void __stdcall AcquireSRWLockExclusive(void** lock);
__declspec(dllimport) void __stdcall ReleaseSRWLockExclusive(void** lock);
}
#else
#include <pthread.h>
#endif

namespace fp {

// The system's own: std::mutex needs the C++ library beside us, for errors that cannot come.
class Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;
#if defined(_WIN32)
  void lock() noexcept { AcquireSRWLockExclusive(&lock_); }
  void unlock() noexcept { ReleaseSRWLockExclusive(&lock_); }

 private:
  void* lock_ = nullptr;
#else
  ~Mutex() { pthread_mutex_destroy(&lock_); }
  void lock() noexcept { pthread_mutex_lock(&lock_); }
  void unlock() noexcept { pthread_mutex_unlock(&lock_); }

 private:
  pthread_mutex_t lock_ = PTHREAD_MUTEX_INITIALIZER;
#endif
};

class Lock {
 public:
  explicit Lock(Mutex& mutex) noexcept : mutex_(mutex) { mutex_.lock(); }
  ~Lock() { mutex_.unlock(); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  Mutex& mutex_;
};

}  // namespace fp

#endif
