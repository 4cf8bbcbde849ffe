// Needs ThirdParty/frame_stream beside Source, as `python -m runtime_examples.unreal.pack` leaves it: see README.md.
using System.IO;
using UnrealBuildTool;

public class Tinyface : ModuleRules
{
	public Tinyface(ReadOnlyTargetRules Target) : base(Target)
	{
		PCHUsage = PCHUsageMode.UseExplicitOrSharedPCHs;
		PublicDependencyModuleNames.AddRange(new[] { "Core", "CoreUObject", "Engine" });
		PrivateDependencyModuleNames.AddRange(new[] { "LiveLinkInterface", "Projects" });

		string Home = Path.Combine(PluginDirectory, "ThirdParty", "frame_stream");
		PrivateIncludePaths.Add(Path.Combine(Home, "include"));
		string Libraries = Path.Combine(Home, "lib", Target.Platform.ToString());
		if (Target.Platform == UnrealTargetPlatform.Win64)
		{
			PublicAdditionalLibraries.Add(Path.Combine(Libraries, "frame_stream.lib"));
			PublicDelayLoadDLLs.Add("frame_stream.dll"); // the module loads it from where it lies: TinyfaceModule.cpp
			foreach (string Library in Directory.GetFiles(Libraries, "*.dll"))
			{
				RuntimeDependencies.Add(Library);
			}
		}
		else if (Target.Platform == UnrealTargetPlatform.Mac)
		{
			PublicAdditionalLibraries.Add(Path.Combine(Libraries, "libframe_stream.dylib"));
			Ship(Libraries, "lib*.dylib");
		}
		else if (Target.Platform == UnrealTargetPlatform.IOS)
		{
			PublicAdditionalLibraries.Add(Path.Combine(Libraries, "libframe_stream.a"));
			PublicDefinitions.Add("FP_STATIC=1");
		}
		else if (Target.Platform == UnrealTargetPlatform.Android)
		{
			PublicAdditionalLibraries.Add(Path.Combine(Libraries, "arm64-v8a", "libframe_stream.so"));
			AdditionalPropertiesForReceipt.Add("AndroidPlugin", Path.Combine(ModuleDirectory, "Tinyface_APL.xml"));
		}
		else // Linux and LinuxArm64: frame_stream, and the runtime beside it if it was built with one
		{
			PublicAdditionalLibraries.Add(Path.Combine(Libraries, "libframe_stream.so"));
			PrivateRuntimeLibraryPaths.Add(Libraries);
			Ship(Libraries, "lib*.so");
		}
	}

	// Copied beside the program.
	private void Ship(string Libraries, string Pattern)
	{
		foreach (string Library in Directory.GetFiles(Libraries, Pattern))
		{
			RuntimeDependencies.Add(Path.Combine("$(BinaryOutputDir)", Path.GetFileName(Library)), Library);
		}
	}
}
