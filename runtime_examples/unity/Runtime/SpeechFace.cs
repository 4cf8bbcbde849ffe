// Speech in, blend shapes out: listens to the AudioSource beside it, or to a microphone, and moves faces.
//
//     audio thread   OnAudioFilterRead: push what is heard (no lock, no heap, no garbage), hand out what was heard before
//     main thread    LateUpdate: draw the face of this instant, which a Track (fp_track) keeps smooth and brings to rest
//
// Thin over FrameStream.cs, Track.cs and Crowd.cs, which know no Unity; the library itself is described in frame_stream.h.
using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using UnityEngine;
using Debug = UnityEngine.Debug;

namespace Tinyface
{
    [AddComponentMenu("Tinyface/Speech Face")]
    public sealed partial class SpeechFace : MonoBehaviour
    {
        [Tooltip("Many faces share its artefact and run together. Without one, this face opens its own.")]
        public SpeechCrowd crowd;

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

        private const string Closed = "its artefact is closed: a new take needs the Speech Crowd that opened it";

        private FrameStream.Model model;
        private volatile Take take;
        private List<KeyValuePair<SkinnedMeshRenderer, int>>[] shapes;
        private float[] neutral; // the face at rest, which outlives its artefact

        private void OnEnable()
        {
            try
            {
                model = crowd != null ? crowd.Model() : OpenArtefact(artefactBytes, artefact);
                FindShapes();
                AudioSettings.OnAudioConfigurationChanged += OnDeviceChanged;
                missing = false;
                if (listening == Listening.ToMicrophone) StartMicrophone();
                else StartTake(AudioSettings.outputSampleRate, SpeakerChannels());
            }
            catch (FrameStream.FrameStreamException error)
            {
                Debug.LogError("SpeechFace: " + error.Message, this);
                enabled = false;
            }
        }

        // A take that cannot begin is said, and leaves the face at rest.
        private void BeginTake(int rateHz, int channels)
        {
            try
            {
                StartTake(rateHz, channels);
            }
            catch (FrameStream.FrameStreamException error)
            {
                GiveUp(error.Message);
            }
            catch (ObjectDisposedException) // the crowd whose artefact this face plays was destroyed
            {
                GiveUp(Closed);
            }
        }

        private void GiveUp(string why)
        {
            Debug.LogError("SpeechFace: " + why, this);
            EndTake();
            Rest();
        }

        // Blend shapes keep what they were told last: whoever stops drawing closes the mouth.
        private void Rest()
        {
            if (shapes != null) Draw(neutral);
        }

        private void OnDisable()
        {
            AudioSettings.OnAudioConfigurationChanged -= OnDeviceChanged;
            StopMicrophone();
            EndTake();
            Rest();
            if (model != null && crowd == null) model.Dispose();
            model = null;
        }

        internal static FrameStream.Model OpenArtefact(TextAsset bytes, string name)
        {
            return bytes != null
                ? new FrameStream.Model(bytes.bytes)
                : new FrameStream.Model(Path.Combine(Application.streamingAssetsPath, name));
        }

        // Headphones came or went: another rate, other blocks, other channels; a microphone that Unity has stopped.
        private void OnDeviceChanged(bool deviceWasChanged)
        {
            if (model == null) return;
            if (listening == Listening.ToMicrophone) RestartMicrophone();
            else BeginTake(AudioSettings.outputSampleRate, SpeakerChannels());
        }

        // Of what OnAudioFilterRead will be given; where it is given others, LateUpdate begins again with them.
        private static int SpeakerChannels()
        {
            switch (AudioSettings.speakerMode)
            {
                case AudioSpeakerMode.Mono: return 1;
                case AudioSpeakerMode.Quad: return 4;
                case AudioSpeakerMode.Surround: return 5;
                case AudioSpeakerMode.Mode5point1: return 6;
                case AudioSpeakerMode.Mode7point1: return 8;
                default: return 2;
            }
        }

        /// <summary>Forget what was heard: the next sound begins a new take.</summary>
        public void Restart()
        {
            var old = take;
            if (old != null) BeginTake(old.RateHz, old.Channels);
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
            if (crowd != null) crowd.Add(made.Track);
            take = made;
        }

        private void EndTake()
        {
            var old = take;
            take = null;
            if (old != null && crowd != null) crowd.Remove(old.Track);
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
            Hear(now, data, data.Length / channels, Clock());
            now.Delay.Pass(data);
        }

        // `when`: at which the last of the samples was made, on Clock.
        private static void Hear(Take now, float[] data, int count, double when)
        {
            if (now.Failure != null) return;
            try
            {
                now.Track.Push(data, count, when); // what has no room is lost: nobody draws
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
            else if (listening == Listening.ToMicrophone) LookForMicrophone();
            var now = take;
            if (now == null) return;
            try
            {
                if (now.Failure != null) throw now.Failure;
                if (now.WrongChannels != 0)
                {
                    BeginTake(now.RateHz, now.WrongChannels);
                    return;
                }
                var moment = Clock();
                if (crowd != null) crowd.RunOnce(Time.frameCount); // the first face of a picture runs all
                now.Track.Pull(moment);
            }
            catch (FrameStream.FrameStreamException error)
            {
                GiveUp(error.Message);
                return;
            }
            Draw(now.Track.Values);
        }

        private void Draw(float[] face)
        {
            for (var channel = 0; channel < shapes.Length; ++channel) Move(channel, face[channel]);
        }

        private void Move(int channel, float value)
        {
            for (var i = 0; i < shapes[channel].Count; ++i)
            {
                var renderer = shapes[channel][i].Key;
                if (renderer == null) continue; // destroyed since: a hat, another level of detail
                renderer.SetBlendShapeWeight(shapes[channel][i].Value, fullWeight * value);
            }
        }

        // Blend shapes by name: what follows the last dot, in any case.
        private void FindShapes()
        {
            var channels = new Dictionary<string, int>(StringComparer.OrdinalIgnoreCase);
            shapes = new List<KeyValuePair<SkinnedMeshRenderer, int>>[model.Channels];
            neutral = new float[model.Channels];
            for (var i = 0; i < shapes.Length; ++i)
            {
                channels[model.ChannelName(i)] = i;
                shapes[i] = new List<KeyValuePair<SkinnedMeshRenderer, int>>();
                neutral[i] = model.ChannelRange(i).Neutral;
            }
            var found = 0;
            foreach (var renderer in faces)
            {
                var mesh = renderer != null ? renderer.sharedMesh : null; // a slot of the list may be empty
                if (mesh == null) continue;
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
                    "SpeechFace: no blend shape is named like a channel of this artefact (" + model.ChannelName(0) +
                    (model.Channels > 1 ? ", " + model.ChannelName(1) + ", ..." : "") +
                    "): give the faces, and rename their shapes", this);
        }
    }
}
