# Toolchain: Linux on 64-bit Arm (phones' cores, Raspberry Pi, Jetson, servers), from any Linux with a cross compiler.
#
#   apt install g++-aarch64-linux-gnu
#   pip download executorch==1.5.1 --no-deps --only-binary=:all: --platform manylinux_2_28_aarch64 -d build/arm64
#   python -m zipfile -e build/arm64/executorch-*.whl build/arm64
#   cmake -S sdk/c -B build/native-arm64 -DCMAKE_PREFIX_PATH=$PWD/build/arm64/executorch \
#         -DCMAKE_TOOLCHAIN_FILE=$PWD/sdk/c/cmake/aarch64-linux-gnu.cmake
#   cmake --build build/native-arm64
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)  # tools of this machine, libraries and headers of the wheel
