/* From reset to main on a Cortex-M55, and what a bare processor owes to the C library and the compiler. */
#include <stdint.h>
#include <string.h>

#include "start.h"

extern uint8_t data_start[], data_end[], bss_start[], bss_end[], stack_top[];
extern const uint8_t data_from[];
extern void (*const first_init[])(void);
extern void (*const end_init[])(void);
int main(void);
void reset(void);

enum { kVectors = 16 };

static volatile uint32_t wraps; /* of the timer, which counts 24 bits */

/* --- semihosting: whoever debugs the board, or QEMU, reads and writes files for it */
static int ask(int what, void* block) {
  register int r0 __asm__("r0") = what;
  register void* r1 __asm__("r1") = block;
  __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}

int host_open(const char* path, int mode) {
  uintptr_t block[3] = {(uintptr_t)path, (uintptr_t)mode, strlen(path)};
  return ask(0x01, block);
}

size_t host_read(int file, void* to, size_t bytes) {
  uintptr_t block[3] = {(uintptr_t)file, (uintptr_t)to, bytes};
  return bytes - (size_t)ask(0x06, block); /* it answers how many are missing */
}

void host_write(int file, const void* from, size_t bytes) {
  uintptr_t block[3] = {(uintptr_t)file, (uintptr_t)from, bytes};
  ask(0x05, block);
}

void host_exit(int status) {
  uintptr_t block[2] = {0x20026, (uintptr_t)status}; /* ADP_Stopped_ApplicationExit */
  ask(0x20, block);
  for (;;) {
  }
}

/* --- the processor's own timer, counting its clock */
static void on_timer(void) { ++wraps; }

uint64_t clock_ticks(void) {
  volatile const uint32_t* const now = (volatile uint32_t*)0xE000E018;
  uint32_t before, left;
  do before = wraps, left = *now;
  while (before != wraps);
  return ((uint64_t)before << 24) + (0xFFFFFF - left);
}

/* --- what newlib asks of a system. There is none: formatted text goes to a buffer, memory comes from a block of ours */
int _close(int file) { return (void)file, -1; }
int _fstat(int file, void* out) { return (void)file, (void)out, -1; }
int _isatty(int file) { return (void)file, 0; }
int _lseek(int file, int to, int how) { return (void)file, (void)to, (void)how, -1; }
int _read(int file, char* to, int count) { return (void)file, (void)to, (void)count, -1; }
int _write(int file, const char* from, int count) { return (void)file, (void)from, (void)count, -1; }
int _kill(int process, int signal) { return (void)process, (void)signal, -1; }
int _getpid(void) { return 1; }
void _exit(int status) { host_exit(status); }
void* _sbrk(ptrdiff_t bytes) {
  extern uint8_t end[];
  static uint8_t* top = end;
  uint8_t* const was = top;
  uint8_t here;
  if (bytes > &here - top - 1024) return (void*)-1;
  top += bytes;
  return was;
}

/* --- what the C++ library's containers call where they would throw: without exceptions it is the end, and without these the
 * linker brings the unwinder, 60 KB */
#define END_OF(name, symbol) \
  void name(const char* what) __asm__(symbol); \
  void name(const char* what) { (void)what, host_exit(71); }
END_OF(no_length, "_ZSt20__throw_length_errorPKc")
END_OF(no_logic, "_ZSt19__throw_logic_errorPKc")
END_OF(no_range, "_ZSt24__throw_out_of_range_fmtPKcz")

/* --- 64 bits at once, which the processor does not do by itself: nothing may come between. An interrupt may push. */
static uint32_t hold(void) {
  uint32_t was;
  __asm__ volatile("mrs %0, primask\n cpsid i" : "=r"(was)::"memory");
  return was;
}
static void go_on(uint32_t was) { __asm__ volatile("msr primask, %0" ::"r"(was) : "memory"); }

uint64_t __atomic_load_8(const volatile void* at, int order) {
  const uint32_t was = hold();
  const uint64_t value = *(const volatile uint64_t*)at;
  (void)order;
  go_on(was);
  return value;
}

void __atomic_store_8(volatile void* at, uint64_t value, int order) {
  const uint32_t was = hold();
  *(volatile uint64_t*)at = value;
  (void)order;
  go_on(was);
}

/* --- reset */
static void stopped(void) { host_exit(70); }

__attribute__((section(".vectors"), used)) static const void* const vectors[kVectors] = {
    stack_top, (void*)reset,   (void*)stopped, (void*)stopped, (void*)stopped, (void*)stopped, (void*)stopped, (void*)stopped,
    0,         0,              0,              (void*)stopped, (void*)stopped, 0,              (void*)stopped, (void*)on_timer};

void reset(void) {
  volatile uint32_t* const timer = (volatile uint32_t*)0xE000E010;
  *(volatile uint32_t*)0xE000ED88 |= 0xFu << 20; /* floats and vectors */
  __asm__ volatile("dsb\n isb");
  memcpy(data_start, data_from, (size_t)(data_end - data_start));
  memset(bss_start, 0, (size_t)(bss_end - bss_start));
  timer[1] = 0xFFFFFF, timer[2] = 0, timer[0] = 7; /* from the processor's clock, with its interrupt */
  for (void (*const* init)(void) = first_init; init != end_init; ++init) (*init)();
  host_exit(main());
}
