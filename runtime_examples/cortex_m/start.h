/* A bare board: a clock, and the files of whoever debugs it. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { HOST_READ = 1, HOST_WRITE = 5 }; /* binary; ":tt" is the console: written to it is said, appended (9) an error */

int host_open(const char* path, int mode); /* -1: it cannot be opened */
size_t host_read(int file, void* to, size_t bytes);
void host_write(int file, const void* from, size_t bytes);
__attribute__((noreturn)) void host_exit(int status);

uint64_t clock_ticks(void); /* of the processor's clock, since reset */
