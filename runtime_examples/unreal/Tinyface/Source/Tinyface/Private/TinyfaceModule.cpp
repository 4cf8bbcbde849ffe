#include "HAL/PlatformProcess.h"
#include "Interfaces/IPluginManager.h"
#include "Modules/ModuleManager.h"

#include "TinyfaceLibrary.h"

static void* Library = nullptr; // of Windows; elsewhere the linker has seen to it

#if PLATFORM_WINDOWS
DEFINE_LOG_CATEGORY_STATIC(LogTinyfaceModule, Log, All);
#endif

/**
 * Windows looks for a delay-loaded DLL beside the program, and a plugin's lies with the plugin: it is loaded by its path before
 * anybody calls it. Elsewhere a library is found by where the linker saw it, or is inside.
 */
class FTinyfaceModule final : public IModuleInterface
{
public:
	virtual void StartupModule() override
	{
#if PLATFORM_WINDOWS
		const FString Plugin = IPluginManager::Get().FindPlugin(TEXT("Tinyface"))->GetBaseDir();
		const FString Path = Plugin / TEXT("ThirdParty/frame_stream/lib/Win64/frame_stream.dll");
		Library = FPlatformProcess::GetDllHandle(*Path);
		if (!Library)
		{
			UE_LOG(LogTinyfaceModule, Error, TEXT("%s cannot be loaded: pack the plugin with its library for Windows"), *Path);
		}
#endif
	}

	virtual void ShutdownModule() override
	{
		if (Library)
		{
			FPlatformProcess::FreeDllHandle(Library);
			Library = nullptr;
		}
	}
};

bool IsTinyfaceLibraryLoaded()
{
#if PLATFORM_WINDOWS
	return Library != nullptr;
#else
	return true;
#endif
}

IMPLEMENT_MODULE(FTinyfaceModule, Tinyface)
