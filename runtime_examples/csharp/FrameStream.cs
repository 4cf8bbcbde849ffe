// frame_stream.h for C#: speech audio in, face-rig frames out. No dependency, no engine. Native.cs is its other half.
//
//     using var model = new FrameStream.Model("model.pte");
//     using var voice = new FrameStream.Voice(model, 48000);
//     voice.Push(samples, 0, samples.Length);                    // audio thread: no lock, no heap, no garbage
//     while (voice.Pull(out FrameStream.Frame frame)) Use(voice.Values);
//
// C# 7.3 with unsafe code, .NET Standard 2.0: Mono, .NET, Unity (Mono and IL2CPP). The library frame_stream, with the libraries that were
// built beside it, must lie where the runtime looks: beside the program, in LD_LIBRARY_PATH, or in Unity's Plugins.
// What each call promises (threads, heap, who owns what) stands in frame_stream.h.
using System;

namespace FrameStream
{
    /// <summary>What a call may answer; negative numbers are failures and arrive as FrameStreamException.</summary>
    public enum Status
    {
        Ok = 0, Again = 1, End = 2,
        BadArgument = -1, BadStruct = -2, BadRate = -3, BadAudio = -4, Finished = -5, NoFile = -6, BadFile = -7,
        BadManifest = -8, Unsupported = -9, BadProgram = -10, RunFailed = -11, OutOfMemory = -12, Internal = -13,
        NotSigned = -14,
        NoLibrary = -1000 // of this binding: the native library is missing, or of another ABI
    }

    /// <summary>A failed call: its status, and what, why and what to do in the library's own words.</summary>
    public sealed class FrameStreamException : Exception
    {
        public Status Status { get; }

        public FrameStreamException(Status status, string message, Exception cause = null) : base(message, cause)
        {
            Status = status;
        }
    }

    /// <summary>Smoothing over three predictions at twice the frame rate.</summary>
    public enum Ensemble { AsModel = 0, Off = 1, On = 2 }

    /// <summary>How a voice is heard and played. Zero means the artefact's own; only the rate must be set.</summary>
    public struct VoiceConfig
    {
        public int RateHz;           // of what is pushed: 8000 to 96000
        public int AudioChannels;    // interleaved, averaged: 1 to 8; 0 is mono
        public int FpsNumerator, FpsDenominator;
        public Ensemble Ensemble;
        public float Weight0, Weight1, Weight2; // of the ensemble: three within 0..1 that sum to 1
        public int BufferSamples;    // what may be pushed ahead of Pull, a channel; 0 is half a second
    }

    /// <summary>Where a frame belongs: its index, and its absolute sample at 16 kHz.</summary>
    public struct Frame
    {
        public long Index, Sample;
    }

    /// <summary>A channel's range, and its value at rest.</summary>
    public struct Range
    {
        public float Minimum, Maximum, Neutral;
    }

    /// <summary>Where the delay of a frame comes from. Resampler and block are samples at the voice's rate, the rest at
    /// 16 kHz.</summary>
    public struct Latency
    {
        public int Future, Ensemble, Resampler, Block, Total, Grid;
        public double TotalSeconds { get { return Total / 16000.0; } }
    }

    /// <summary>What an artefact says about itself.</summary>
    public sealed class ModelInfo
    {
        public string Student, Kind, Precision, Backend, Sha256;
        public long Parameters, ArtifactBytes;
        public int FpsNumerator, FpsDenominator, WindowSamples, FutureSamples, HopSamples, StateBytes, CrowdVoices;
        public bool Ensemble;
    }

    /// <summary>A loaded artefact, shared by its voices. Dispose gives the handle back; voices go on.</summary>
    public sealed unsafe class Model : IDisposable
    {
        internal readonly ModelHandle Handle;
        private readonly string[] names;
        private readonly Range[] ranges;

        public ModelInfo Info { get; }

        /// <summary>Open the artefact at `path`; with a `key`, 32 bytes, only if the owner of that Ed25519 key signed it:
        /// the file path + ".sig" says so. Throws FrameStreamException.</summary>
        public Model(string path, byte[] key = null)
        {
            if (path == null) throw new FrameStreamException(Status.BadArgument, "path is null");
            if (key != null && key.Length != 32)
                throw new FrameStreamException(Status.BadArgument, "a public key is 32 bytes");
            Native.CheckLibrary();
            var error = new ErrorText();
            fixed (byte* text = Native.Text(path), owner = key)
                error.Check(key == null ? Native.fp_model_open(text, out Handle, error.At)
                                        : Native.fp_model_open_signed(text, owner, out Handle, error.At));
            Info = ReadInfo();
            ReadRig(out names, out ranges);
        }

        /// <summary>The same from memory; the bytes are copied.</summary>
        public Model(byte[] artifact)
        {
            if (artifact == null) throw new FrameStreamException(Status.BadArgument, "artifact is null");
            Native.CheckLibrary();
            var error = new ErrorText();
            fixed (byte* data = artifact.Length > 0 ? artifact : new byte[1]) // of an empty array it would be null
                error.Check(Native.fp_model_open_memory(data, (UIntPtr)(uint)artifact.Length, out Handle, error.At));
            Info = ReadInfo();
            ReadRig(out names, out ranges);
        }

        public int Channels { get { return names.Length; } }

        public string ChannelName(int channel) { return names[channel]; }

        public Range ChannelRange(int channel) { return ranges[channel]; }

        /// <summary>The place of a channel in the values, or -1.</summary>
        public int ChannelIndex(string name) { return Array.IndexOf(names, name); }

        public void Dispose() { Handle.Dispose(); }

        private ModelInfo ReadInfo()
        {
            var raw = new Native.Info { StructSize = (uint)sizeof(Native.Info) };
            var error = new ErrorText();
            error.Check(Native.fp_model_get_info(Handle, &raw, error.At));
            return new ModelInfo
            {
                Student = Native.Text(raw.Student), Precision = Native.Text(raw.Precision),
                Backend = Native.Text(raw.Backend), Sha256 = Native.Text(raw.Sha256),
                Kind = raw.Kind == 1 ? "stream" : "window", Ensemble = raw.Ensemble != 0,
                Parameters = (long)raw.Parameters, ArtifactBytes = (long)raw.ArtifactBytes,
                FpsNumerator = (int)raw.FpsNumerator, FpsDenominator = (int)raw.FpsDenominator,
                WindowSamples = (int)raw.WindowSamples, FutureSamples = (int)raw.FutureSamples,
                HopSamples = (int)raw.HopSamples, StateBytes = (int)raw.StateBytes, CrowdVoices = (int)raw.CrowdVoices
            };
        }

        private void ReadRig(out string[] allNames, out Range[] allRanges)
        {
            var count = 0;
            while (Native.fp_model_channel_name(Handle, (uint)count) != null) ++count;
            allNames = new string[count];
            allRanges = new Range[count];
            var error = new ErrorText();
            for (var i = 0; i < count; ++i)
            {
                var range = new Range();
                allNames[i] = Native.Text(Native.fp_model_channel_name(Handle, (uint)i));
                error.Check(Native.fp_model_channel_range(
                    Handle, (uint)i, &range.Minimum, &range.Maximum, &range.Neutral, error.At));
                allRanges[i] = range;
            }
        }
    }

    /// <summary>One voice. Push and Finish from one thread, Pull from one, the same or another; they never wait for one
    /// another and make no garbage.</summary>
    public sealed unsafe class Voice : IDisposable
    {
        internal readonly VoiceHandle Handle;
        private readonly int audioChannels;

        /// <summary>The values of the last frame that Pull gave, in channel order.</summary>
        public float[] Values { get; }

        public Voice(Model model, int rateHz) : this(model, new VoiceConfig { RateHz = rateHz }) { }

        public Voice(Model model, VoiceConfig config)
        {
            if (model == null) throw new FrameStreamException(Status.BadArgument, "model is null");
            var raw = Native.Config.From(config);
            var error = new ErrorText();
            error.Check(Native.fp_stream_create(model.Handle, &raw, out Handle, error.At));
            audioChannels = Math.Max(1, config.AudioChannels);
            Values = new float[model.Channels];
        }

        /// <summary>Take `count` samples of each audio channel in, from `samples[offset]` on, within -1..1; returns how
        /// many there was room for. What is left is pushed again after Pull.</summary>
        public int Push(float[] samples, int offset, int count)
        {
            CheckRange(samples, offset, count);
            fixed (float* from = samples) return Push(from + offset, count);
        }

        /// <summary>The same for 16-bit samples.</summary>
        public int Push(short[] samples, int offset, int count)
        {
            CheckRange(samples, offset, count);
            fixed (short* from = samples) return Push(from + offset, count);
        }

        /// <summary>The same for memory that stays where it is.</summary>
        public int Push(float* samples, int count)
        {
            UIntPtr taken;
            var error = new ErrorText();
            error.Check(Native.fp_stream_push_f32(Handle, samples, (UIntPtr)(uint)count, &taken, error.At));
            return (int)taken;
        }

        /// <summary>The same for memory that stays where it is.</summary>
        public int Push(short* samples, int count)
        {
            UIntPtr taken;
            var error = new ErrorText();
            error.Check(Native.fp_stream_push_i16(Handle, samples, (UIntPtr)(uint)count, &taken, error.At));
            return (int)taken;
        }

        /// <summary>The next frame, if one is due: its place in `frame`, its values in Values.</summary>
        public bool Pull(out Frame frame)
        {
            var raw = new Native.Place { StructSize = (uint)sizeof(Native.Place) };
            var error = new ErrorText();
            int status;
            fixed (float* values = Values)
                status = error.Check(Native.fp_stream_pull(Handle, &raw, values, (uint)Values.Length, error.At));
            frame.Index = raw.Index;
            frame.Sample = raw.Sample;
            return status == (int)Status.Ok;
        }

        /// <summary>No more audio in this take: silence follows, and the last frames fall due.</summary>
        public void Finish()
        {
            var error = new ErrorText();
            error.Check(Native.fp_stream_finish(Handle, error.At));
        }

        /// <summary>A new take begins. No other call on this voice may run.</summary>
        public void Reset()
        {
            var error = new ErrorText();
            error.Check(Native.fp_stream_reset(Handle, error.At));
        }

        /// <summary>From now on this channel is gain * value + offset, within the limits. The pulling thread's.</summary>
        public void SetCurve(int channel, float gain, float offset, float minimum, float maximum)
        {
            var raw = new Native.Curve
            {
                StructSize = (uint)sizeof(Native.Curve), Gain = gain, Offset = offset, Minimum = minimum, Maximum = maximum
            };
            var error = new ErrorText();
            error.Check(Native.fp_stream_set_curve(Handle, (uint)channel, &raw, error.At));
        }

        /// <summary>The latency when `chunkSamples` are pushed at a time. May take a while: ask once.</summary>
        public Latency LatencyAt(int chunkSamples)
        {
            var raw = new Native.Delay { StructSize = (uint)sizeof(Native.Delay) };
            var error = new ErrorText();
            error.Check(Native.fp_stream_latency_samples(Handle, (uint)chunkSamples, &raw, error.At));
            return new Latency
            {
                Future = (int)raw.Future, Ensemble = (int)raw.Ensemble, Resampler = (int)raw.Resampler,
                Block = (int)raw.Block, Total = (int)raw.Total, Grid = (int)raw.Grid
            };
        }

        public void Dispose() { Handle.Dispose(); }

        private void CheckRange(Array samples, int offset, int count)
        {
            if (samples == null) throw new FrameStreamException(Status.BadArgument, "samples is null");
            if (offset < 0 || count < 0 || offset + (long)count * audioChannels > samples.Length)
                throw new FrameStreamException(
                    Status.BadArgument, "offset and count reach beyond the array: count is in samples of each channel");
        }
    }
}
