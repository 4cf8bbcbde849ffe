// Needs ThirdParty/frame_stream beside Source, as `python -m sdk.c.build --install` leaves it: see README.md.
using System.IO;
using UnrealBuildTool;

public class Tinyface : ModuleRules
{
	public Tinyface(ReadOnlyTargetRules Target) : base(Target)
	{
		PCHUsage = PCHUsageMode.UseExplicitOrSharedPCHs;
		PublicDependencyModuleNames.AddRange(new[] { "Core", "CoreUObject", "Engine" });

		string Home = Path.Combine(PluginDirectory, "ThirdParty", "frame_stream");
		string Libraries = Path.Combine(Home, "lib");
		PrivateIncludePaths.Add(Path.Combine(Home, "include"));
		bool IsMac = Target.Platform == UnrealTargetPlatform.Mac;
		string Suffix = IsMac ? ".dylib" : ".so";
		PublicAdditionalLibraries.Add(Path.Combine(Libraries, "libframe_stream" + Suffix));
		PrivateRuntimeLibraryPaths.Add(Libraries);
		foreach (string Library in Directory.GetFiles(Libraries, "lib*" + Suffix)) // frame_stream, and the runtime beside it
		{
			RuntimeDependencies.Add(Path.Combine("$(BinaryOutputDir)", Path.GetFileName(Library)), Library);
		}
	}
}
