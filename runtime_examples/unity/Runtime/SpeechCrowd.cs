// Many faces, one artefact: opened once, and what their sound makes due runs together, once a picture.
using System;
using UnityEngine;

namespace Tinyface
{
    [AddComponentMenu("Tinyface/Speech Crowd")]
    public sealed class SpeechCrowd : MonoBehaviour
    {
        [Tooltip("A .pte of a stream student in StreamingAssets, or an absolute path.")]
        public string artefact = "model.pte";

        [Tooltip("The same renamed to .bytes, where StreamingAssets are no files (Android). Used if set.")]
        public TextAsset artefactBytes;

        private FrameStream.Model model;
        private FrameStream.Crowd together;
        private FrameStream.Track[] tracks = new FrameStream.Track[8];
        private int count, picture = -1;

        /// <summary>How many steps the last picture ran together.</summary>
        public int LastHops { get; private set; }

        /// <summary>Faces that are here now.</summary>
        public int Faces { get { return count; } }

        // Opened by the first face that asks, in whatever order Unity enables them.
        internal FrameStream.Model Model()
        {
            if (model == null)
            {
                var opened = SpeechFace.OpenArtefact(artefactBytes, artefact);
                try
                {
                    together = new FrameStream.Crowd(opened); // a window student has none: it says so
                }
                catch
                {
                    opened.Dispose();
                    throw;
                }
                model = opened;
            }
            return model;
        }

        internal void Add(FrameStream.Track track)
        {
            if (count == tracks.Length) Array.Resize(ref tracks, 2 * count);
            tracks[count++] = track;
        }

        internal void Remove(FrameStream.Track track)
        {
            var at = Array.IndexOf(tracks, track, 0, count);
            if (at < 0) return;
            tracks[at] = tracks[--count];
            tracks[count] = null;
        }

        // Whoever draws first in picture `number` runs the hops of all; whoever comes later finds them done.
        internal void RunOnce(int number)
        {
            if (number == picture || together == null) return;
            picture = number;
            LastHops = together.Run(tracks, count);
        }

        // Faces that are still enabled keep what they need: a track holds its model.
        private void OnDestroy()
        {
            if (together != null) together.Dispose();
            if (model != null) model.Dispose();
            together = null;
            model = null;
        }
    }
}
