// The few types of UnrealBuildTool that Tinyface.Build.cs names, and a program that prints what it asks for.
using System;
using System.Collections.Generic;

namespace UnrealBuildTool
{
    public enum PCHUsageMode { UseExplicitOrSharedPCHs }
    public enum UnrealTargetPlatform { Linux, Mac }
    public class ReadOnlyTargetRules { public UnrealTargetPlatform Platform = UnrealTargetPlatform.Linux; }
    public class RuntimeDependencyList
    {
        public readonly List<string> Added = new List<string>();
        public void Add(string target, string source) { Added.Add(target + " <- " + source); }
    }

    public class ModuleRules
    {
        public static string Home;
        public PCHUsageMode PCHUsage;
        public string PluginDirectory { get { return Home; } }
        public readonly List<string> PublicDependencyModuleNames = new List<string>(), PrivateIncludePaths = new List<string>();
        public readonly List<string> PublicAdditionalLibraries = new List<string>();
        public readonly List<string> PrivateRuntimeLibraryPaths = new List<string>();
        public readonly RuntimeDependencyList RuntimeDependencies = new RuntimeDependencyList();
        public ModuleRules(ReadOnlyTargetRules target) { }
    }

    internal static class Program
    {
        private static void Main(string[] words)
        {
            ModuleRules.Home = words[0];
            var rules = new Tinyface(new ReadOnlyTargetRules());
            foreach (var path in rules.PrivateIncludePaths) Console.WriteLine("include " + path);
            foreach (var path in rules.PublicAdditionalLibraries) Console.WriteLine("link " + path);
            foreach (var path in rules.PrivateRuntimeLibraryPaths) Console.WriteLine("load " + path);
            foreach (var line in rules.RuntimeDependencies.Added) Console.WriteLine("ship " + line);
        }
    }
}
