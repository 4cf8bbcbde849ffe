// driver PLUGIN: the module as Unreal starts and stops it on Windows, on the stand-ins; prints what it let go and what it said.
#include <cstdio>
#include <string>

#include "TinyfaceModule.cpp"

int main(int, char** words) {
  FStubEngine::plugins = words[1];
  for (int i = 0; i < 2; ++i) {  // a module may be loaded again
    TinyfaceModule.StartupModule();
    std::printf("there %d\n", IsTinyfaceLibraryLoaded());
    TinyfaceModule.ShutdownModule();
    TinyfaceModule.ShutdownModule();
  }
  for (const std::string& path : FStubEngine::freed) std::printf("freed %s\n", path.c_str());
  for (const std::string& text : FStubEngine::said) std::printf("said %s\n", text.c_str());
}
