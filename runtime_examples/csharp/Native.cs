// frame_stream.h as it is: its functions, its structs, its handles. FrameStream.cs is what to call.
//
// Everything crosses as a pointer or a number, so nothing is copied, pinned for longer than a call, or left to a collector.
using System;
using System.Runtime.InteropServices;
using System.Text;

namespace FrameStream
{
    // fp_error, on the caller's stack.
    internal unsafe struct ErrorText
    {
        private fixed byte message[512];

        // Only for an ErrorText that is a local variable: the address holds as long as that lives.
        internal byte* At { get { fixed (byte* first = message) return first; } }

        // The status if it is no failure; throws FrameStreamException otherwise.
        internal int Check(int status)
        {
            if (status >= 0) return status;
            fixed (byte* first = message) throw new FrameStreamException((Status)status, Native.Text(first));
        }
    }

    // ------------------------------------------------------------------------------------------------------- handles
    internal sealed class ModelHandle : SafeHandle
    {
        private ModelHandle() : base(IntPtr.Zero, true) { }
        public override bool IsInvalid { get { return handle == IntPtr.Zero; } }
        protected override bool ReleaseHandle() { Native.fp_model_close(handle); return true; }
    }

    internal sealed class VoiceHandle : SafeHandle
    {
        private VoiceHandle() : base(IntPtr.Zero, true) { }
        public override bool IsInvalid { get { return handle == IntPtr.Zero; } }
        protected override bool ReleaseHandle() { Native.fp_stream_destroy(handle); return true; }
    }

    internal sealed class TrackHandle : SafeHandle
    {
        private TrackHandle() : base(IntPtr.Zero, true) { }
        public override bool IsInvalid { get { return handle == IntPtr.Zero; } }
        protected override bool ReleaseHandle() { Native.fp_track_destroy(handle); return true; }
    }

    internal sealed class CrowdHandle : SafeHandle
    {
        private CrowdHandle() : base(IntPtr.Zero, true) { }
        public override bool IsInvalid { get { return handle == IntPtr.Zero; } }
        protected override bool ReleaseHandle() { Native.fp_crowd_destroy(handle); return true; }
    }

    // ----------------------------------------------------------------------------------------------- the header itself
    internal static unsafe class Native
    {
#if (UNITY_IOS || UNITY_TVOS || UNITY_WEBGL) && !UNITY_EDITOR
        private const string Library = "__Internal"; // linked into the program
#else
        private const string Library = "frame_stream";
#endif
        private const uint AbiVersion = 1;

        [StructLayout(LayoutKind.Sequential)]
        internal struct Info
        {
            internal uint StructSize, Channels, SampleRateHz, WindowSamples, FutureSamples, FpsNumerator, FpsDenominator;
            internal uint Ensemble;
            internal float Weight0, Weight1, Weight2;
            internal uint Reserved;
            internal ulong Parameters, ArtifactBytes;
            internal byte* Student, Precision, Backend, Sha256;
            internal uint Kind, HopSamples, StateBytes, CrowdVoices;
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct Config
        {
            internal uint StructSize, RateHz, AudioChannels, FpsNumerator, FpsDenominator, Ensemble;
            internal float Weight0, Weight1, Weight2;
            internal uint BufferSamples;

            internal static Config From(VoiceConfig config)
            {
                return new Config
                {
                    StructSize = (uint)sizeof(Config), RateHz = (uint)config.RateHz,
                    AudioChannels = (uint)config.AudioChannels, FpsNumerator = (uint)config.FpsNumerator,
                    FpsDenominator = (uint)config.FpsDenominator, Ensemble = (uint)config.Ensemble,
                    Weight0 = config.Weight0, Weight1 = config.Weight1, Weight2 = config.Weight2,
                    BufferSamples = (uint)config.BufferSamples
                };
            }
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct TrackConfig
        {
            internal uint StructSize, BlockSamples;
            internal float PauseSeconds, EaseSeconds;
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct Place
        {
            internal uint StructSize, Reserved;
            internal long Index, Sample;
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct Curve
        {
            internal uint StructSize;
            internal float Gain, Offset, Minimum, Maximum;
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct Delay
        {
            internal uint StructSize, Future, Ensemble, Resampler, Block, Total, Grid;
        }

        // Throws unless the library is there and speaks this file's ABI.
        internal static void CheckLibrary()
        {
            uint found;
            try
            {
                found = fp_abi_version();
            }
            catch (Exception missing) when (missing is DllNotFoundException || missing is EntryPointNotFoundException ||
                                            missing is BadImageFormatException)
            {
                throw new FrameStreamException(
                    Status.NoLibrary, "the native library frame_stream cannot be loaded: put it, with the libraries that " +
                    "were built beside it, where this program looks (" + missing.Message + ")", missing);
            }
            if (found != AbiVersion)
                throw new FrameStreamException(
                    Status.NoLibrary, "the native library frame_stream has ABI version " + found + ", this binding speaks " +
                    AbiVersion + ": take both from one release");
        }

        internal static byte[] Text(string text) { return Encoding.UTF8.GetBytes(text + "\0"); }

        internal static string Text(byte* text)
        {
            if (text == null) return null;
            var length = 0;
            while (text[length] != 0) ++length;
            return Encoding.UTF8.GetString(text, length);
        }

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        internal static extern uint fp_abi_version();

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        internal static extern int fp_model_open(byte* path, out ModelHandle model, byte* error);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        internal static extern int fp_model_open_signed(byte* path, byte* key, out ModelHandle model, byte* error);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        internal static extern int fp_model_open_memory(
            byte* data, UIntPtr size, out ModelHandle model, byte* error);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        internal static extern void fp_model_close(IntPtr model);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        internal static extern int fp_model_get_info(ModelHandle model, Info* info, byte* error);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        internal static extern byte* fp_model_channel_name(ModelHandle model, uint channel);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        internal static extern int fp_model_channel_range(
            ModelHandle model, uint channel, float* minimum, float* maximum, float* neutral, byte* error);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        internal static extern int fp_stream_create(
            ModelHandle model, Config* config, out VoiceHandle stream, byte* error);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        internal static extern void fp_stream_destroy(IntPtr stream);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        internal static extern int fp_stream_push_f32(
            VoiceHandle stream, float* samples, UIntPtr count, UIntPtr* taken, byte* error);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        internal static extern int fp_stream_push_i16(
            VoiceHandle stream, short* samples, UIntPtr count, UIntPtr* taken, byte* error);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        internal static extern int fp_stream_pull(
            VoiceHandle stream, Place* frame, float* values, uint channels, byte* error);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        internal static extern int fp_stream_finish(VoiceHandle stream, byte* error);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        internal static extern int fp_stream_reset(VoiceHandle stream, byte* error);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        internal static extern int fp_stream_set_curve(
            VoiceHandle stream, uint channel, Curve* curve, byte* error);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        internal static extern int fp_stream_latency_samples(
            VoiceHandle stream, uint chunk, Delay* latency, byte* error);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        internal static extern int fp_track_create(
            ModelHandle model, Config* config, TrackConfig* shape, out TrackHandle track, byte* error);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        internal static extern void fp_track_destroy(IntPtr track);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        internal static extern int fp_track_push_f32(
            TrackHandle track, float* samples, UIntPtr count, double nowSeconds, byte* error);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        internal static extern int fp_track_pull(
            TrackHandle track, double nowSeconds, float* values, uint channels, byte* error);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        internal static extern int fp_crowd_run_tracks(
            CrowdHandle crowd, IntPtr* tracks, UIntPtr count, UIntPtr* hops, byte* error);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        internal static extern double fp_track_delay_s(TrackHandle track);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        internal static extern int fp_crowd_create(ModelHandle model, out CrowdHandle crowd, byte* error);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        internal static extern void fp_crowd_destroy(IntPtr crowd);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        internal static extern int fp_crowd_run(
            CrowdHandle crowd, IntPtr* streams, UIntPtr count, UIntPtr* hops, byte* error);
    }
}
