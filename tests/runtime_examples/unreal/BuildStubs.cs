// The few types of UnrealBuildTool that Tinyface.Build.cs names, and a program that prints what it asks for on a platform.
using System;
using System.Collections.Generic;

namespace UnrealBuildTool
{
    public enum PCHUsageMode { UseExplicitOrSharedPCHs }
    public enum UnrealTargetPlatform { Win64, Linux, LinuxArm64, Mac, Android, IOS }
    public class ReadOnlyTargetRules { public UnrealTargetPlatform Platform; }
    public class RuntimeDependencyList
    {
        public readonly List<string> Added = new List<string>();
        public void Add(string path) { Added.Add(path + " <- " + path); } // from where it lies
        public void Add(string target, string source) { Added.Add(target + " <- " + source); }
    }
    public class ReceiptPropertyList
    {
        public readonly List<string> Added = new List<string>();
        public void Add(string name, string value) { Added.Add(name + " = " + value); }
    }

    public class ModuleRules
    {
        public static string Home;
        public PCHUsageMode PCHUsage;
        public string PluginDirectory { get { return Home; } }
        public string ModuleDirectory { get { return Home + "/Source/Tinyface"; } }
        public readonly List<string> PublicDependencyModuleNames = new List<string>(), PrivateIncludePaths = new List<string>();
        public readonly List<string> PrivateDependencyModuleNames = new List<string>(), PublicDefinitions = new List<string>();
        public readonly List<string> PublicAdditionalLibraries = new List<string>(), PublicDelayLoadDLLs = new List<string>();
        public readonly List<string> PrivateRuntimeLibraryPaths = new List<string>();
        public readonly RuntimeDependencyList RuntimeDependencies = new RuntimeDependencyList();
        public readonly ReceiptPropertyList AdditionalPropertiesForReceipt = new ReceiptPropertyList();
        public ModuleRules(ReadOnlyTargetRules target) { }
    }

    internal static class Program
    {
        private static void Main(string[] words)
        {
            ModuleRules.Home = words[0];
            var platform = (UnrealTargetPlatform)Enum.Parse(typeof(UnrealTargetPlatform), words[1]);
            var rules = new Tinyface(new ReadOnlyTargetRules { Platform = platform });
            foreach (var name in rules.PrivateDependencyModuleNames) Console.WriteLine("module " + name);
            foreach (var path in rules.PrivateIncludePaths) Console.WriteLine("include " + path);
            foreach (var path in rules.PublicAdditionalLibraries) Console.WriteLine("link " + path);
            foreach (var path in rules.PrivateRuntimeLibraryPaths) Console.WriteLine("load " + path);
            foreach (var name in rules.PublicDelayLoadDLLs) Console.WriteLine("delay " + name);
            foreach (var name in rules.PublicDefinitions) Console.WriteLine("define " + name);
            foreach (var line in rules.RuntimeDependencies.Added) Console.WriteLine("ship " + line);
            foreach (var line in rules.AdditionalPropertiesForReceipt.Added) Console.WriteLine("receipt " + line);
        }
    }
}
