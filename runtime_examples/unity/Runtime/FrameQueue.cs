// The last frames of a take, and the face at any instant between them. No engine in here.
using System;

namespace Tinyface
{
    /// <summary>A ring of frames, all of it allocated at once. One thread.</summary>
    public sealed class FrameQueue
    {
        private readonly int channels;
        private readonly long[] samples; // at 16 kHz
        private readonly float[] values; // frame after frame
        private long count;              // of frames ever added

        public FrameQueue(int channels, int capacity)
        {
            this.channels = channels;
            samples = new long[capacity];
            values = new float[capacity * channels];
        }

        public bool IsEmpty { get { return count == 0; } }

        /// <summary>Where the newest frame sits, in seconds since the take began.</summary>
        public double NewestSeconds { get { return samples[Slot(count - 1)] / 16000.0; } }

        public void Clear() { count = 0; }

        /// <summary>Frames come in the order of their samples; the oldest goes when the ring is full.</summary>
        public void Add(long sample, float[] frame)
        {
            var slot = Slot(count++);
            samples[slot] = sample;
            Array.Copy(frame, 0, values, slot * channels, channels);
        }

        /// <summary>The face at `seconds`: between the two frames around it, the first before all, the newest after all.
        /// The queue must not be empty.</summary>
        public void At(double seconds, float[] face)
        {
            var sample = seconds * 16000;
            var later = count - 1;
            var oldest = Math.Max(0, count - samples.Length);
            while (later > oldest && samples[Slot(later - 1)] >= sample) --later;
            var to = Slot(later);
            var from = later > oldest ? Slot(later - 1) : to;
            var span = samples[to] - samples[from];
            var share = span > 0 ? (float)Math.Min(1, Math.Max(0, (sample - samples[from]) / span)) : 1;
            for (var i = 0; i < channels; ++i)
            {
                var start = values[from * channels + i];
                face[i] = start + share * (values[to * channels + i] - start);
            }
        }

        private int Slot(long frame) { return (int)(frame % samples.Length); }
    }
}
