// Holds audio back until the face that belongs to it is there. No engine in here.
using System;

namespace Tinyface
{
    /// <summary>Interleaved samples come out a fixed while after they went in; silence before. One thread.</summary>
    public sealed class DelayLine
    {
        private readonly float[] held;
        private int at;

        /// <summary>samples: the delay, times the audio channels.</summary>
        public DelayLine(int samples) { held = new float[Math.Max(0, samples)]; }

        /// <summary>Replace `audio` by what went in a delay ago.</summary>
        public void Pass(float[] audio)
        {
            if (held.Length == 0) return;
            for (var i = 0; i < audio.Length; ++i)
            {
                var late = held[at];
                held[at] = audio[i];
                audio[i] = late;
                if (++at == held.Length) at = 0;
            }
        }
    }
}
