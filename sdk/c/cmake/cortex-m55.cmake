# Toolchain: Arm Cortex-M55 (Armv8.1-M with the vectors of MVE), no operating system; newlib's C library.
#
#   apt install gcc-arm-none-eabi libnewlib-arm-none-eabi libstdc++-arm-none-eabi-newlib
#   cmake -S sdk/c -B build/m55 -DCMAKE_TOOLCHAIN_FILE=$PWD/sdk/c/cmake/cortex-m55.cmake -DTINYFACE_RUNTIME=none \
#         -DBUILD_SHARED_LIBS=OFF -DFRAME_STREAM_EXCEPTIONS=OFF -DFRAME_STREAM_EXAMPLES=OFF
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR cortex-m55)
set(CMAKE_C_COMPILER arm-none-eabi-gcc)
set(CMAKE_CXX_COMPILER arm-none-eabi-g++)
set(CMAKE_ASM_COMPILER arm-none-eabi-gcc)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(machine "-mcpu=cortex-m55 -mthumb -mfloat-abi=hard -ffunction-sections -fdata-sections")
set(CMAKE_C_FLAGS_INIT "${machine}")
set(CMAKE_CXX_FLAGS_INIT "${machine} -fno-threadsafe-statics -fno-use-cxa-atexit -Wno-psabi -Wno-format")  # its uint32_t is a long
set(CMAKE_ASM_FLAGS_INIT "${machine}")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
