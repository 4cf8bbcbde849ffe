// The half of SpeechFace that listens to a microphone, on the main thread.
using System;
using UnityEngine;

namespace Tinyface
{
    public sealed partial class SpeechFace
    {
        private const double Stalled = 0.1, Jump = 0.15, Forget = 0.02; // seconds; seconds a second
        private const double Again = 1;  // seconds until one that is not there is looked for again

        private AudioClip recording;
        private float[] block;
        private int recorded, seen;     // where in the clip: heard until, and what the microphone said last
        private long heard;             // since it started
        private double late, moved, looked; // seconds: see Lateness
        private bool missing;           // that was said
        private double lookAt;          // on Clock

        private string Device() { return microphone.Length > 0 ? microphone : null; }

        // Unity throws at whoever starts a device that it does not have.
        private bool IsThere()
        {
            var devices = Microphone.devices;
            return microphone.Length > 0 ? Array.IndexOf(devices, microphone) >= 0 : devices.Length > 0;
        }

        private void StartMicrophone()
        {
            if (!IsThere())
            {
                Miss();
                return;
            }
            int lowest, highest;
            Microphone.GetDeviceCaps(Device(), out lowest, out highest); // zeros: any rate
            var rate = highest == 0 ? 48000 : Math.Min(48000, highest) / 100 * 100;
            recording = Microphone.Start(Device(), true, 1, rate); // goes round every second
            if (recording == null)
            {
                Miss();
                return;
            }
            missing = false;
            recorded = seen = 0;
            heard = 0;
            block = new float[recording.frequency / 100 * recording.channels];
            StartTake(recording.frequency, recording.channels);
        }

        private void Miss()
        {
            if (!missing)
                Debug.LogError(
                    "SpeechFace: the microphone '" + microphone + "' does not start; plug it in, or name one that is there",
                    this);
            missing = true;
            lookAt = Clock() + Again;
        }

        private void LookForMicrophone()
        {
            if (missing && Clock() >= lookAt) RestartMicrophone();
        }

        private void StopMicrophone()
        {
            if (recording != null) Microphone.End(Device());
            recording = null;
        }

        // Where it does not start any more, the old take comes to rest by itself.
        private void RestartMicrophone()
        {
            StopMicrophone();
            try
            {
                StartMicrophone();
            }
            catch (FrameStream.FrameStreamException error)
            {
                GiveUp(error.Message);
            }
            catch (ObjectDisposedException)
            {
                GiveUp(Closed);
            }
        }

        // A picture finds several blocks at once, and the place that a microphone says goes on in steps of its driver's. So a
        // block counts from when its last sample would be known at the latest, which runs as evenly as the sound itself.
        private void HearMicrophone()
        {
            var length = block.Length / recording.channels;
            var now = take;
            if (now == null || length == 0) return;
            if (!Microphone.IsRecording(Device()))
            {
                RestartMicrophone(); // it was pulled out
                return;
            }
            var position = Microphone.GetPosition(Device());
            Lateness(position, Clock());
            for (; Behind(position) >= length; recorded = (recorded + length) % recording.samples)
            {
                recording.GetData(block, recorded);
                heard += length;
                Hear(now, block, length, heard / (double)recording.frequency + late);
            }
        }

        // How many samples were recorded and not yet heard.
        private int Behind(int position) { return (position - recorded + recording.samples) % recording.samples; }

        // The clock minus the sound, where the place is oldest: the most of the last while.
        private void Lateness(int position, double moment)
        {
            if (position != seen) moved = moment;
            var first = heard == 0 && seen == 0;
            seen = position;
            var off = moment - (heard + Behind(position)) / (double)recording.frequency;
            if (first || Math.Abs(off - late) > Jump) late = off;
            else if (moment - moved < Stalled) late = Math.Max(off, late - Forget * (moment - looked));
            looked = moment;
        }
    }
}
