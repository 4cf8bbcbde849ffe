// fp_track for C#: the face at any instant, whatever blocks its sound comes in. The third part of the binding.
using System;

namespace FrameStream
{
    /// <summary>A voice as a game wants it: push sound as it comes, ask for the face of an instant. It draws lines between
    /// frames, says its last ones when sound stays away, and eases to rest; when sound comes back it begins anew. Push on one
    /// thread, Pull on one; nowSeconds is one steady clock for both.</summary>
    public sealed unsafe class Track : IDisposable
    {
        internal readonly TrackHandle Handle;
        private readonly int audioChannels;

        /// <summary>The face that Pull drew last, in channel order; at rest before.</summary>
        public float[] Values { get; }

        /// <summary>By how much the face follows the sound: hold the sound back so much, and they meet.</summary>
        public double DelaySeconds { get; }

        /// <summary>blockSamples: what is pushed at a time at most, of each audio channel. pauseSeconds: a block that is so late
        /// will not come, the sound has stopped; easeSeconds: from the last frame to rest. Zeros are the library's own.</summary>
        public Track(Model model, VoiceConfig config, int blockSamples, float pauseSeconds = 0, float easeSeconds = 0)
        {
            if (model == null) throw new FrameStreamException(Status.BadArgument, "model is null");
            var raw = Native.Config.From(config);
            var shape = new Native.TrackConfig
            {
                StructSize = (uint)sizeof(Native.TrackConfig), BlockSamples = (uint)blockSamples, PauseSeconds = pauseSeconds,
                EaseSeconds = easeSeconds
            };
            var error = new ErrorText();
            error.Check(Native.fp_track_create(model.Handle, &raw, &shape, out Handle, error.At));
            audioChannels = Math.Max(1, config.AudioChannels);
            Values = new float[model.Channels];
            DelaySeconds = Native.fp_track_delay_s(Handle);
        }

        /// <summary>Take in `count` samples of each audio channel that came at `nowSeconds`. False: nobody pulled for as long
        /// as the buffer lasts, and what did not fit is lost. No lock, no heap.</summary>
        public bool Push(float[] samples, int count, double nowSeconds)
        {
            if (samples == null || count < 0 || count > samples.Length / audioChannels)
                throw new FrameStreamException(Status.BadArgument, "count is more than the samples hold");
            var error = new ErrorText();
            fixed (float* from = samples)
                return error.Check(Native.fp_track_push_f32(Handle, from, (UIntPtr)(uint)count, nowSeconds, error.At)) == 0;
        }

        /// <summary>Draw the face of `nowSeconds` into Values.</summary>
        public void Pull(double nowSeconds)
        {
            var error = new ErrorText();
            fixed (float* to = Values)
                error.Check(Native.fp_track_pull(Handle, nowSeconds, to, (uint)Values.Length, error.At));
        }

        public void Dispose() { Handle.Dispose(); }
    }
}
