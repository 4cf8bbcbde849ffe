// driver model.pte speech.wav: plays a mono 16-bit wav through SpeechFace as Unity would, on the stubs, and prints what the
// faces did: `audible seconds weight ...` of a loop that follows its blocks, and `game BLOCK seconds weight ...` of sixty
// pictures a second whose sound is cut off. Without a wav: a face none of whose shapes is named like a channel. Run by
// tests/runtime_examples/test_unity.py.
using System;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Reflection;
using Tinyface;
using UnityEngine;

internal static class Driver
{
    private const int Block = 256;
    private static Wav wav;
    private static double now = 1000; // the engine's clock

    private static void Expect(bool holds, string what)
    {
        if (!holds) throw new InvalidOperationException(what);
    }

    private static Action<T1, T2> Message<T1, T2>(SpeechFace face, string name)
    {
        var method = typeof(SpeechFace).GetMethod(name, BindingFlags.Instance | BindingFlags.NonPublic);
        return (Action<T1, T2>)Delegate.CreateDelegate(typeof(Action<T1, T2>), face, method);
    }

    private static Action Message(SpeechFace face, string name)
    {
        var method = typeof(SpeechFace).GetMethod(name, BindingFlags.Instance | BindingFlags.NonPublic);
        return (Action)Delegate.CreateDelegate(typeof(Action), face, method);
    }

    private static SpeechFace Make(string artefact, params string[] shapes)
    {
        var renderer = new SkinnedMeshRenderer { sharedMesh = new Mesh { Shapes = shapes } };
        return new SpeechFace { artefact = artefact, faces = new[] { renderer } };
    }

    private static float[] Interleaved(int at, int channels, int size = Block)
    {
        var block = new float[size * channels];
        for (var i = 0; i < size && at + i < wav.Samples; ++i)
            for (var channel = 0; channel < channels; ++channel) block[i * channels + channel] = wav.Pcm[at + i] / 32768f;
        return block;
    }

    private static void Print(string kind, double seconds, SkinnedMeshRenderer face)
    {
        var words = face.Weights.OrderBy(pair => pair.Key).Select(pair => pair.Value.ToString("R", CultureInfo.InvariantCulture));
        Console.WriteLine(kind + " " + seconds.ToString("R", CultureInfo.InvariantCulture) + " " + string.Join(" ", words));
    }

    // With the audio held back, or not; a face drawn at every third block.
    private static void Listen(string artefact, bool delayAudio, int channels)
    {
        var face = Make(artefact, "Head.jawOpen", "unrelated", "MOUTHCLOSE", "tongueOut");
        face.delayAudio = delayAudio;
        Action enable = Message(face, "OnEnable"), update = Message(face, "LateUpdate"), disable = Message(face, "OnDisable");
        var filter = Message<float[], int>(face, "OnAudioFilterRead");
        enable();
        Expect(face.enabled && Debug.Said.Count == 0, "enabled");
        filter(new float[Block * channels], channels); // perhaps of another number of channels than it thought
        update();
        if (channels > 1) face.Restart(); // else it began again by itself: it had thought of two
        var begin = now;
        var delay = (int)Math.Round(face.AudioDelaySeconds * wav.RateHz);
        Expect(delay == (delayAudio ? (int)Math.Round(face.LatencySeconds * wav.RateHz) : 0), "delay " + delay);
        Expect(face.LatencySeconds > 0.03 && face.LatencySeconds < 0.5, "latency " + face.LatencySeconds);
        var blocks = wav.Samples / Block;
        for (var i = 0; i < blocks; ++i)
        {
            var block = Interleaved(i * Block, channels);
            now = begin + (i + 1) * Block / (double)wav.RateHz;
            filter(block, channels);
            for (var j = 0; j < Block; ++j)
            {
                var from = i * Block + j - delay;
                Expect(block[j * channels] == (from < 0 ? 0 : wav.Pcm[from] / 32768f), "the sound is held back, unchanged");
            }
            if (i % 3 != 2) continue;
            update();
            Print("audible", now - begin - face.LatencySeconds, face.faces[0]);
        }
        Expect(!face.faces[0].Weights.ContainsKey(1), "an unrelated shape is left alone");
        disable();
        filter(new float[Block * channels], channels); // one that was under way
        disable();
        Expect(Debug.Said.Count == 0, string.Join("; ", Debug.Said));
    }

    private static void ListenToMicrophone(string artefact)
    {
        var face = Make(artefact, "jawOpen", "mouthClose", "tongueOut");
        face.listening = SpeechFace.Listening.ToMicrophone;
        Action enable = Message(face, "OnEnable"), update = Message(face, "LateUpdate"), disable = Message(face, "OnDisable");
        enable();
        var rate = Microphone.Clip.frequency;
        Expect(rate == wav.RateHz / 100 * 100, "rate");
        var random = new Random(1);
        var begin = now;
        var most = 0f;
        for (var at = 0; at < wav.Samples;)
        {
            var count = Math.Min(random.Next(1, rate / 30), wav.Samples - at);
            for (var i = 0; i < count; ++i, ++at) Microphone.Clip.Ring[at % rate] = wav.Pcm[at] / 32768f;
            Microphone.Position = at % rate;
            now = begin + at / (double)rate;
            update();
            most = Math.Max(most, face.faces[0].Weights.Values.Select(Math.Abs).Max());
        }
        Expect(most > 1, "the microphone moves the face");
        for (var i = 0; i < 30; ++i, now += 1 / 60.0) update();
        Expect(face.faces[0].Weights.Values.Select(Math.Abs).Max() < 0.5, "a silent microphone brings it to rest");
        var started = Microphone.Started;
        Microphone.Recording = false; // pulled out and plugged in again
        update();
        Expect(Microphone.Started == started + 1 && Microphone.Recording, "it is started again");
        AudioSettings.ChangeDevice();
        Expect(Microphone.Started == started + 2, "and after a device change");
        face.microphone = "absent";
        Microphone.Recording = false;
        for (var i = 0; i < 3; ++i) update();
        Expect(Debug.Said.Single().Contains("does not start"), "one that is gone is said once");
        now += 1.1;
        update();
        Expect(Debug.Said.Count == 1 && Microphone.Started == started + 2, "it is looked for in silence");
        Microphone.devices = new[] { "built-in", "absent" };
        update();
        Expect(Microphone.Started == started + 2, "once a second");
        now += 1.1;
        update();
        Expect(Microphone.Started == started + 3 && Microphone.Recording, "and found when it is plugged in");
        Microphone.devices = new[] { "built-in" };
        Debug.Said.Clear();
        disable();
    }

    // A component that is switched off in the midst of a word.
    private static void Rests(string artefact)
    {
        var face = Make(artefact, "jawOpen", "mouthClose", "tongueOut");
        Action enable = Message(face, "OnEnable"), update = Message(face, "LateUpdate"), disable = Message(face, "OnDisable");
        var filter = Message<float[], int>(face, "OnAudioFilterRead");
        enable();
        var most = 0f;
        for (var i = 0; i < wav.Samples / Block && most <= 1; ++i)
        {
            now += Block / (double)wav.RateHz;
            filter(Interleaved(i * Block, 2), 2);
            update();
            most = face.faces[0].Weights.Count == 0 ? 0 : face.faces[0].Weights.Values.Select(Math.Abs).Max();
        }
        Expect(most > 1, "it speaks");
        disable();
        Expect(face.faces[0].Weights.Values.Select(Math.Abs).Max() == 0, "its mouth is left at rest");
        Debug.Said.Clear();
    }

    // Sixty pictures a second, a microphone whose position goes on by `step` samples at a time, and then no more.
    private static void PlayMicrophone(string artefact, int step)
    {
        var face = Make(artefact, "jawOpen", "mouthClose", "tongueOut");
        face.listening = SpeechFace.Listening.ToMicrophone;
        Message(face, "OnEnable")();
        Action update = Message(face, "LateUpdate");
        var rate = Microphone.Clip.frequency;
        double begin = now;
        int at = 0, cut = wav.Samples * 2 / 3 / 1024 * 1024;
        for (var tick = 0; tick < 60 * wav.Samples / rate + 30; ++tick)
        {
            var picture = tick / 60.0;
            for (; at < cut && (at + step) / (double)rate <= picture; at += step)
                for (var i = at; i < at + step; ++i) Microphone.Clip.Ring[i % rate] = wav.Pcm[i] / 32768f;
            Microphone.Position = at % rate;
            now = begin + picture;
            update();
            Print("game microphone" + step, picture - cut / (double)rate, face.faces[0]);
        }
        Message(face, "OnDisable")();
    }

    // Many faces of one crowd hear what one face by itself hears, each some blocks later, and show the same.
    private static void Together(string artefact, int many)
    {
        var crowd = new SpeechCrowd { artefact = artefact };
        var faces = Enumerable.Range(0, many).Select(_ => Make("not looked for", "jawOpen", "mouthClose", "tongueOut")).ToArray();
        foreach (var face in faces) face.crowd = crowd;
        Message(faces[0], "OnEnable")();
        if (Debug.Said.Count > 0)
        {
            Expect(!faces[0].enabled && Debug.Said.Single().Contains("window student"), Debug.Said[0]);
            Debug.Said.Clear();
            Console.WriteLine("together none");
            return;
        }
        foreach (var face in faces.Skip(1)) Message(face, "OnEnable")();
        var single = Make(artefact, "jawOpen", "mouthClose", "tongueOut");
        Message(single, "OnEnable")();
        Expect(crowd.Faces == many, "all are there");
        int most = 0, ticks = 0;
        float off = 0;
        double begin = now;
        var filters = faces.Concat(new[] { single }).Select(face => Message<float[], int>(face, "OnAudioFilterRead")).ToArray();
        var updates = faces.Concat(new[] { single }).Select(face => Message(face, "LateUpdate")).ToArray();
        for (var at = 0; at + 2 * Block <= wav.Samples; at += 2 * Block)
        {
            now = begin + (at + 2 * Block) / (double)wav.RateHz;
            foreach (var filter in filters) filter(Interleaved(at, 2, 2 * Block), 2);
            ++Time.frameCount;
            foreach (var update in updates) update();
            most = Math.Max(most, crowd.LastHops);
            ++ticks;
            foreach (var face in faces)
                foreach (var weight in face.faces[0].Weights)
                    off = Math.Max(off, Math.Abs(weight.Value - single.faces[0].Weights[weight.Key]));
        }
        Expect(most >= many, "hops of all run in one call: " + most);
        Expect(off < 0.01, "together as by itself: " + off);
        Message(faces[3], "OnDisable")();
        Expect(crowd.Faces == many - 1, "one left");
        ++Time.frameCount;
        updates[0]();
        typeof(SpeechCrowd).GetMethod("OnDestroy", BindingFlags.Instance | BindingFlags.NonPublic).Invoke(crowd, null);
        ++Time.frameCount;
        filters[0](Interleaved(0, 2), 2);
        updates[0](); // a face goes on without its crowd
        foreach (var face in faces) Message(face, "OnDisable")();
        Message(single, "OnDisable")();
        Expect(Debug.Said.Count == 0, string.Join("; ", Debug.Said));
        Console.WriteLine("together " + many);
    }

    // Sixty pictures a second while blocks come as they are full; two thirds of the sound, then none.
    private static void Play(string artefact, int size)
    {
        AudioSettings.BlockSamples = 1024;
        var face = Make(artefact, "jawOpen", "mouthClose", "tongueOut");
        Action update = Message(face, "LateUpdate");
        var filter = Message<float[], int>(face, "OnAudioFilterRead");
        Message(face, "OnEnable")();
        double begin = now;
        int at = 0, cut = wav.Samples * 2 / 3 / 1024 * 1024;
        for (var tick = 0; tick < 60 * wav.Samples / wav.RateHz + 30; ++tick)
        {
            var picture = tick / 60.0;
            for (; at < cut && (at + size) / (double)wav.RateHz <= picture; at += size)
            {
                now = begin + (at + size) / (double)wav.RateHz;
                filter(Interleaved(at, 2, size), 2);
            }
            now = begin + picture;
            update();
            Print("game " + size, picture - cut / (double)wav.RateHz, face.faces[0]);
        }
        Message(face, "OnDisable")();
        AudioSettings.BlockSamples = Block;
    }

    // Headphones come, and they run at another rate.
    private static void ChangeDevice(string artefact)
    {
        var face = Make(artefact, "jawOpen");
        Message(face, "OnEnable")();
        var before = face.AudioDelaySeconds;
        AudioSettings.BlockSamples = 4 * Block;
        AudioSettings.ChangeDevice();
        Expect(face.AudioDelaySeconds > before, "it asked for the new blocks");
        AudioSettings.speakerMode = AudioSpeakerMode.Mode5point1;
        AudioSettings.ChangeDevice();
        var filter = Message<float[], int>(face, "OnAudioFilterRead");
        var six = Interleaved(0, 6);
        filter(six, 6);
        Expect(six.All(sample => sample == 0), "six channels are held back from their first block on");
        AudioSettings.speakerMode = AudioSpeakerMode.Stereo;
        Message(face, "OnDisable")();
        AudioSettings.ChangeDevice(); // nobody listens any more
        AudioSettings.BlockSamples = Block;
        Expect(Debug.Said.Count == 0, string.Join("; ", Debug.Said));
    }

    private static float Most(SpeechFace face) { return face.faces[0].Weights.Values.Select(Math.Abs).Max(); }

    private static float Speak(SpeechFace face, int blocks)
    {
        var filter = Message<float[], int>(face, "OnAudioFilterRead");
        var update = Message(face, "LateUpdate");
        double begin = now;
        float most = 0;
        for (var i = 0; i < blocks; ++i)
        {
            now = begin + (i + 1) * Block / (double)wav.RateHz;
            filter(Interleaved(i * Block, 2), 2);
            update();
            if (face.faces[0].Weights.Count > 0) most = Math.Max(most, Most(face));
        }
        return most;
    }

    // A device that no voice can hear, a sound that is none, a crowd that is destroyed: said, and the face is at rest.
    private static void FailWhileItSpeaks(string artefact)
    {
        var half = wav.Samples / Block / 2;
        var face = Make(artefact, "jawOpen", "mouthClose", "tongueOut");
        Message(face, "OnEnable")();
        Expect(Speak(face, half) > 1, "it speaks");
        AudioSettings.outputSampleRate = 192000;
        AudioSettings.ChangeDevice();
        Expect(Debug.Said.Single().Contains("192000"), "no voice hears so fast: " + string.Join("; ", Debug.Said));
        Expect(Most(face) < 0.5, "at rest, not in the pose of its last word: " + Most(face));
        face.Restart();
        AudioSettings.outputSampleRate = wav.RateHz;
        AudioSettings.ChangeDevice();
        Debug.Said.Clear();
        Expect(Speak(face, half) > 1, "another device, and it speaks again");
        var broken = Interleaved(0, 2);
        broken[100] = float.NaN;
        Message<float[], int>(face, "OnAudioFilterRead")(broken, 2);
        Message(face, "LateUpdate")();
        Expect(Debug.Said.Single().Contains("NaN") && Most(face) < 0.5, "at rest after a sound that is none");
        Debug.Said.Clear();
        Message(face, "OnDisable")();

        var crowd = new SpeechCrowd { artefact = artefact };
        face = Make("not looked for", "jawOpen", "mouthClose", "tongueOut");
        face.crowd = crowd;
        Message(face, "OnEnable")();
        if (face.enabled) // a window student has no crowd
        {
            Expect(Speak(face, half) > 1, "it speaks in a crowd");
            typeof(SpeechCrowd).GetMethod("OnDestroy", BindingFlags.Instance | BindingFlags.NonPublic).Invoke(crowd, null);
            crowd.Destroyed = true;
            face.Restart();
            Expect(Debug.Said.Single().Contains("its artefact is closed"), string.Join("; ", Debug.Said));
            Expect(Most(face) < 0.5, "at rest without its crowd");
            Message(face, "OnDisable")();
        }
        Debug.Said.Clear();
    }

    private static void OneChannel(string artefact)
    {
        var face = Make(artefact, "nothing alike");
        Message(face, "OnEnable")();
        Expect(face.enabled, "it is told, and no fault");
        Message(face, "OnDisable")();
        Console.WriteLine(Debug.Said.Single());
    }

    private static void Failures(string artefact)
    {
        var face = Make("absent.pte", "jawOpen");
        Message(face, "OnEnable")();
        Message(face, "OnDisable")();
        Expect(!face.enabled && Debug.Said.Single().Contains("error: SpeechFace: /nonexistent/absent.pte"), "absent");
        Debug.Said.Clear();

        face = Make(artefact, "nothing", "alike");
        face.artefactBytes = new TextAsset { bytes = File.ReadAllBytes(artefact) };
        face.artefact = "not looked for";
        Message(face, "OnEnable")();
        Expect(Debug.Said.Single().Contains("no blend shape is named like a channel"), "no names");
        Debug.Said.Clear();
        var filter = Message<float[], int>(face, "OnAudioFilterRead");
        var update = Message(face, "LateUpdate");
        for (var i = 0; i < 4 * wav.RateHz / Block; ++i) filter(Interleaved(0, 2), 2); // nobody draws for four seconds
        update();
        Expect(Debug.Said.Count == 0, "a main thread that hung goes on");
        filter(Interleaved(0, 2), 2);
        var broken = Interleaved(0, 2);
        broken[100] = float.NaN;
        filter(broken, 2);
        update();
        Expect(Debug.Said.Single().Contains("NaN"), "a failure on the audio thread is said on the main thread");
        update();
        filter(Interleaved(0, 2), 2);
        Message(face, "OnDisable")();
        Debug.Said.Clear();

        face = Make(artefact, "jawOpen");
        face.listening = SpeechFace.Listening.ToMicrophone;
        face.microphone = "absent";
        Message(face, "OnEnable")();
        Expect(Debug.Said.Single().Contains("the microphone 'absent' does not start"), "no microphone");
        Message(face, "LateUpdate")();
        Message(face, "OnDisable")();
        Debug.Said.Clear();
    }

    // A list with an empty slot and a renderer without a mesh; then one of two heads is destroyed while it speaks.
    private static void LoseFaces(string artefact)
    {
        var face = Make(artefact, "jawOpen", "mouthClose", "tongueOut");
        SkinnedMeshRenderer stays = face.faces[0], goes = new SkinnedMeshRenderer { sharedMesh = stays.sharedMesh };
        face.faces = new[] { goes, null, new SkinnedMeshRenderer(), stays };
        Message(face, "OnEnable")();
        Expect(face.enabled && Debug.Said.Count == 0, "an empty slot is no fault");
        Action update = Message(face, "LateUpdate");
        var filter = Message<float[], int>(face, "OnAudioFilterRead");
        double begin = now;
        float before = 0, after = 0;
        for (var at = 0; at + Block <= wav.Samples; at += Block)
        {
            now = begin + (at + Block) / (double)wav.RateHz;
            filter(Interleaved(at, 2), 2);
            goes.Destroyed = at > wav.Samples / 2;
            update();
            var most = stays.Weights.Values.Select(Math.Abs).Max();
            if (goes.Destroyed) after = Math.Max(after, most);
            else before = Math.Max(before, most);
        }
        Expect(before > 1 && after > 1, "the other head speaks on: " + before + ", " + after);
        Message(face, "OnDisable")();
        Expect(Debug.Said.Count == 0, string.Join("; ", Debug.Said));
    }

    private static void NoGarbage(string artefact)
    {
        var face = Make(artefact, "jawOpen");
        Message(face, "OnEnable")();
        var filter = Message<float[], int>(face, "OnAudioFilterRead");
        var update = Message(face, "LateUpdate");
        var block = new float[2 * Block];
        Action loop = () =>
        {
            for (var i = 0; i < 4000; ++i)
            {
                filter(block, 2);
                update();
            }
        };
        filter(block, 2);
        loop();
        GC.Collect();
        var before = GC.CollectionCount(0);
        for (var i = 0; i < 5; ++i) loop();
        Expect(face.faces[0].Weights.Count == 1, "it was drawn");
        Expect(GC.CollectionCount(0) == before, "the audio thread or the main thread made garbage");
        Message(face, "OnDisable")();
    }

    private static int Main(string[] words)
    {
        if (words.Length == 1)
        {
            AudioSettings.outputSampleRate = 48000;
            AudioSettings.BlockSamples = Block;
            OneChannel(words[0]);
            return 0;
        }
        wav = Wav.Read(words[1]);
        AudioSettings.outputSampleRate = wav.RateHz;
        AudioSettings.BlockSamples = Block;
        typeof(SpeechFace).GetField("Clock", BindingFlags.Static | BindingFlags.NonPublic).SetValue(null, (Func<double>)(() => now));
        Listen(words[0], true, 2);
        Listen(words[0], false, 1);
        AudioSettings.speakerMode = AudioSpeakerMode.Mode5point1;
        Listen(words[0], true, 6);
        AudioSettings.speakerMode = AudioSpeakerMode.Stereo;
        ListenToMicrophone(words[0]);
        Rests(words[0]);
        Play(words[0], 1024);
        Play(words[0], 128);
        PlayMicrophone(words[0], 1024);
        PlayMicrophone(words[0], 128);
        Together(words[0], 20);
        ChangeDevice(words[0]);
        Failures(words[0]);
        FailWhileItSpeaks(words[0]);
        LoseFaces(words[0]);
        NoGarbage(words[0]);
        Console.WriteLine("done");
        return 0;
    }
}
