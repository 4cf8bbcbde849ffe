#include "artefact/file.h"

namespace fp {

Failure MappedFile::open(const char* path) {
  return unreadable(path, "this build has no files; read it yourself and use fp_model_open_memory");
}

MappedFile::~MappedFile() = default;

}  // namespace fp
