// Speech in, blend shapes out: listens to the AudioSource beside it, or to a microphone, and moves faces.
//
//     audio thread   OnAudioFilterRead: push what is heard (no lock, no heap, no garbage), hand out what was heard before
//     main thread    LateUpdate: draw the face of this instant, which a Track (fp_track) keeps smooth and brings to rest
//
// Thin over FrameStream.cs and Track.cs, which know no Unity; the library itself is described in frame_stream.h.
using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using UnityEngine;
using Debug = UnityEngine.Debug;

namespace Tinyface
{
    [AddComponentMenu("Tinyface/Speech Face")]
    public sealed class SpeechFace : MonoBehaviour
    {
        public enum Listening { ToAudioSource, ToMicrophone }

        [Tooltip("A .pte in StreamingAssets, or an absolute path.")]
        public string artefact = "model.pte";

        [Tooltip("The same renamed to .bytes, where StreamingAssets are no files (Android). Used if set.")]
        public TextAsset artefactBytes;

        [Tooltip("Faces with blend shapes named like the rig's channels (jawOpen, head.jawOpen, JawOpen).")]
        public SkinnedMeshRenderer[] faces = new SkinnedMeshRenderer[0];

        public Listening listening = Listening.ToAudioSource;

        [Tooltip("The microphone's name; empty is the first one.")]
        public string microphone = "";

        [Tooltip("Full scale of a blend shape: 100 in Unity.")]
        public float fullWeight = 100f;

        [Tooltip("Hold the AudioSource's sound back until its face is there. Without, the face lags by LatencySeconds.")]
        public bool delayAudio = true;

        /// <summary>From a sound to its face, without the delay of the sound card.</summary>
        public double LatencySeconds { get; private set; }

        /// <summary>How long the sound is held back: the latency, or nothing.</summary>
        public double AudioDelaySeconds { get; private set; }

        // One steady clock for both threads, in seconds; tests give their own.
        internal static Func<double> Clock = () => Stopwatch.GetTimestamp() / (double)Stopwatch.Frequency;

        // What the audio thread works with, changed as a whole by the main thread.
        private sealed class Take
        {
            internal FrameStream.Track Track;
            internal DelayLine Delay;
            internal int RateHz, Channels;
            internal volatile int WrongChannels;  // what the audio thread found instead
            internal volatile FrameStream.FrameStreamException Failure;
        }

        private FrameStream.Model model;
        private volatile Take take;
        private List<KeyValuePair<SkinnedMeshRenderer, int>>[] shapes;
        private AudioClip recording;
        private float[] block;
        private int recorded;

        private void OnEnable()
        {
            try
            {
                model = artefactBytes != null
                    ? new FrameStream.Model(artefactBytes.bytes)
                    : new FrameStream.Model(Path.Combine(Application.streamingAssetsPath, artefact));
                FindShapes();
                AudioSettings.OnAudioConfigurationChanged += OnDeviceChanged;
                if (listening == Listening.ToMicrophone) StartMicrophone();
                else StartTake(AudioSettings.outputSampleRate, 2);
            }
            catch (FrameStream.FrameStreamException error)
            {
                Debug.LogError("SpeechFace: " + error.Message, this);
                enabled = false;
            }
        }

        private void OnDisable()
        {
            AudioSettings.OnAudioConfigurationChanged -= OnDeviceChanged;
            if (recording != null) Microphone.End(Device());
            recording = null;
            EndTake();
            if (model != null) model.Dispose();
            model = null;
        }

        // Headphones came or went: another rate, other blocks.
        private void OnDeviceChanged(bool deviceWasChanged)
        {
            if (take != null && listening == Listening.ToAudioSource) StartTake(AudioSettings.outputSampleRate, take.Channels);
        }

        /// <summary>Forget what was heard: the next sound begins a new take.</summary>
        public void Restart()
        {
            var old = take;
            if (old != null) StartTake(old.RateHz, old.Channels);
        }

        private void StartTake(int rateHz, int channels)
        {
            EndTake();
            var config = new FrameStream.VoiceConfig
            {
                RateHz = rateHz, AudioChannels = channels, BufferSamples = 2 * rateHz // the main thread may hang a while
            };
            var made = new Take
            {
                Track = new FrameStream.Track(model, config, BlockSamples(rateHz)), RateHz = rateHz, Channels = channels
            };
            LatencySeconds = made.Track.DelaySeconds;
            var held = delayAudio && listening == Listening.ToAudioSource ? (int)Math.Round(LatencySeconds * rateHz) : 0;
            AudioDelaySeconds = held / (double)rateHz;
            made.Delay = new DelayLine(held * channels);
            take = made;
        }

        private void EndTake()
        {
            var old = take;
            take = null;
            if (old != null) old.Track.Dispose(); // a push that is under way ends first: the handle is counted
        }

        // How many samples are pushed at a time.
        private int BlockSamples(int rateHz)
        {
            if (listening == Listening.ToMicrophone) return rateHz / 100;
            int length, buffers;
            AudioSettings.GetDSPBufferSize(out length, out buffers);
            return length;
        }

        // ------------------------------------------------------------------------------------------------ audio thread
        private void OnAudioFilterRead(float[] data, int channels)
        {
            var now = take;
            if (now == null || listening != Listening.ToAudioSource) return;
            if (channels != now.Channels)
            {
                now.WrongChannels = channels; // LateUpdate begins again
                return;
            }
            Hear(now, data, data.Length / channels);
            now.Delay.Pass(data);
        }

        private static void Hear(Take now, float[] data, int count)
        {
            if (now.Failure != null) return;
            try
            {
                now.Track.Push(data, count, Clock()); // what has no room is lost: nobody draws
            }
            catch (FrameStream.FrameStreamException failure)
            {
                now.Failure = failure;
            }
            catch (ObjectDisposedException) // the take ended just now
            {
            }
        }

        // ------------------------------------------------------------------------------------------------- main thread
        private void LateUpdate()
        {
            if (recording != null) HearMicrophone();
            var now = take;
            if (now == null) return;
            try
            {
                if (now.Failure != null) throw now.Failure;
                if (now.WrongChannels != 0)
                {
                    StartTake(now.RateHz, now.WrongChannels);
                    return;
                }
                now.Track.Pull(Clock());
            }
            catch (FrameStream.FrameStreamException error)
            {
                Debug.LogError("SpeechFace: " + error.Message, this);
                EndTake();
                return;
            }
            Draw(now.Track.Values);
        }

        private void Draw(float[] face)
        {
            for (var channel = 0; channel < shapes.Length; ++channel)
                for (var i = 0; i < shapes[channel].Count; ++i)
                    shapes[channel][i].Key.SetBlendShapeWeight(shapes[channel][i].Value, fullWeight * face[channel]);
        }

        // Blend shapes by name: what follows the last dot, in any case.
        private void FindShapes()
        {
            var channels = new Dictionary<string, int>(StringComparer.OrdinalIgnoreCase);
            shapes = new List<KeyValuePair<SkinnedMeshRenderer, int>>[model.Channels];
            for (var i = 0; i < shapes.Length; ++i)
            {
                channels[model.ChannelName(i)] = i;
                shapes[i] = new List<KeyValuePair<SkinnedMeshRenderer, int>>();
            }
            var found = 0;
            foreach (var renderer in faces)
            {
                var mesh = renderer.sharedMesh;
                for (var i = 0; i < mesh.blendShapeCount; ++i)
                {
                    int channel;
                    var name = mesh.GetBlendShapeName(i);
                    if (!channels.TryGetValue(name.Substring(name.LastIndexOf('.') + 1), out channel)) continue;
                    shapes[channel].Add(new KeyValuePair<SkinnedMeshRenderer, int>(renderer, i));
                    ++found;
                }
            }
            if (found == 0)
                Debug.LogWarning(
                    "SpeechFace: no blend shape is named like a channel of this artefact (" + model.ChannelName(0) + ", " +
                    model.ChannelName(1) + ", ...): give the faces, and rename their shapes", this);
        }

        // -------------------------------------------------------------------------------------------------- microphone
        private string Device() { return microphone.Length > 0 ? microphone : null; }

        private void StartMicrophone()
        {
            int lowest, highest;
            Microphone.GetDeviceCaps(Device(), out lowest, out highest); // zeros: any rate
            var rate = highest == 0 ? 48000 : Math.Min(48000, highest) / 100 * 100;
            recording = Microphone.Start(Device(), true, 1, rate); // goes round every second
            if (recording == null)
            {
                Debug.LogError("SpeechFace: the microphone '" + microphone + "' does not start; name one that is there", this);
                return;
            }
            recorded = 0;
            block = new float[recording.frequency / 100 * recording.channels];
            StartTake(recording.frequency, recording.channels);
        }

        private void HearMicrophone()
        {
            var length = block.Length / recording.channels;
            var now = take;
            if (now == null || length == 0) return;
            for (var position = Microphone.GetPosition(Device());
                 (position - recorded + recording.samples) % recording.samples >= length;
                 recorded = (recorded + length) % recording.samples)
            {
                recording.GetData(block, recorded);
                Hear(now, block, length);
            }
        }
    }
}
