// The few types of UnityEngine that SpeechFace.cs names, so that it can be compiled and driven without Unity. What they do
// is what Unity's manual says of them; what Unity itself does was not run.
using System;
using System.Collections.Generic;

namespace UnityEngine
{
    public sealed class AddComponentMenu : Attribute { public AddComponentMenu(string menu) { } }

    public sealed class TooltipAttribute : Attribute { public TooltipAttribute(string text) { } }

    // What was destroyed equals null, and whoever uses it is told so.
    public class Object
    {
        public bool Destroyed;
        public static bool operator ==(Object one, Object other) { return Gone(one) ? Gone(other) : ReferenceEquals(one, other); }
        public static bool operator !=(Object one, Object other) { return !(one == other); }
        public override bool Equals(object other) { return this == other as Object; }
        public override int GetHashCode() { return base.GetHashCode(); }
        private static bool Gone(Object one) { return ReferenceEquals(one, null) || one.Destroyed; }
        protected void Use() { if (Destroyed) throw new InvalidOperationException("MissingReferenceException: it was destroyed"); }
    }

    public class MonoBehaviour : Object
    {
        public bool enabled { get; set; }
        public MonoBehaviour() { enabled = true; }
    }

    public sealed class TextAsset : Object { public byte[] bytes { get; set; } }

    public sealed class Mesh : Object
    {
        public string[] Shapes = new string[0];
        public int blendShapeCount { get { return Shapes.Length; } }
        public string GetBlendShapeName(int index) { return Shapes[index]; }
    }

    public sealed class SkinnedMeshRenderer : Object
    {
        public readonly Dictionary<int, float> Weights = new Dictionary<int, float>();
        private Mesh mesh;
        public Mesh sharedMesh { get { Use(); return mesh; } set { mesh = value; } }
        public void SetBlendShapeWeight(int index, float value)
        {
            Use();
            Weights[index] = value;
        }
    }

    public enum AudioSpeakerMode { Mono = 1, Stereo, Quad, Surround, Mode5point1, Mode7point1, Prologic }

    public static class Time { public static int frameCount { get; set; } }

    public static class AudioSettings
    {
        public static AudioSpeakerMode speakerMode = AudioSpeakerMode.Stereo;
        public static int outputSampleRate { get; set; }
        public static int BlockSamples;
        public delegate void AudioConfigurationChangeHandler(bool deviceWasChanged);
        public static event AudioConfigurationChangeHandler OnAudioConfigurationChanged;
        public static void ChangeDevice() { if (OnAudioConfigurationChanged != null) OnAudioConfigurationChanged(true); }
        public static void GetDSPBufferSize(out int bufferLength, out int numBuffers)
        {
            bufferLength = BlockSamples;
            numBuffers = 4;
        }
    }

    public sealed class AudioClip : Object
    {
        public float[] Ring;
        public int frequency { get; set; }
        public int channels { get; set; }
        public int samples { get { return Ring.Length / channels; } }
        public bool GetData(float[] data, int offsetSamples)
        {
            for (var i = 0; i < data.Length; ++i) data[i] = Ring[(offsetSamples * channels + i) % Ring.Length];
            return true;
        }
    }

    public static class Microphone
    {
        public static int Position;
        public static AudioClip Clip;
        public static string[] devices = { "built-in" };
        private static bool There(string deviceName) // null is the first one
        {
            return deviceName == null ? devices.Length > 0 : Array.IndexOf(devices, deviceName) >= 0;
        }
        public static void GetDeviceCaps(string deviceName, out int minFreq, out int maxFreq)
        {
            minFreq = There(deviceName) ? 8000 : 0;
            maxFreq = There(deviceName) ? AudioSettings.outputSampleRate : 0;
        }
        public static AudioClip Start(string deviceName, bool loop, int lengthSec, int frequency)
        {
            if (!There(deviceName))
                throw new ArgumentException("Couldn't acquire device ID for device name " + deviceName);
            Recording = true;
            ++Started;
            Clip = new AudioClip { frequency = frequency, channels = 1, Ring = new float[lengthSec * frequency] };
            Position = 0;
            return Clip;
        }
        public static int GetPosition(string deviceName) { return There(deviceName) ? Position : 0; }
        public static bool Recording = true;
        public static int Started;
        public static bool IsRecording(string deviceName) { return There(deviceName) && Recording; }
        public static void End(string deviceName) { }
    }

    public static class Application { public static string streamingAssetsPath { get { return "/nonexistent"; } } }

    public static class Debug
    {
        public static readonly List<string> Said = new List<string>();
        public static void LogError(object message, Object context) { Said.Add("error: " + message); }
        public static void LogWarning(object message, Object context) { Said.Add("warning: " + message); }
    }
}
