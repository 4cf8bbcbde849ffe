// checks stream.pte window.pte: what the C# binding promises, run by tests/runtime_examples/test_csharp.py. Prints one line
// for each check that holds; throws at the first that does not.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Threading;
using FrameStream;

internal static class Checks
{
    [StructLayout(LayoutKind.Sequential)]
    private struct HeapInfo
    {
        internal UIntPtr Arena, OrdBlocks, SmBlocks, HBlocks, HBlockBytes, UsMBlocks, FsMBlocks, UsedBytes, FreeBytes, Top;
    }

    [DllImport("libc.so.6")]
    private static extern HeapInfo mallinfo2();

    private static long HeapBytes()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        var info = mallinfo2();
        return (long)info.UsedBytes + (long)info.HBlockBytes;
    }

    private static void Expect(bool holds, string what)
    {
        if (!holds) throw new InvalidOperationException(what);
    }

    private static void Refused(Status status, string says, Action call)
    {
        try
        {
            call();
        }
        catch (FrameStreamException error)
        {
            Expect(error.Status == status, error.Status + " is not " + status + ": " + error.Message);
            Expect(error.Message.Contains(says), "'" + error.Message + "' does not say '" + says + "'");
            return;
        }
        throw new InvalidOperationException("not refused: " + says);
    }

    private static float[] Noise(int seed, int count)
    {
        var random = new Random(seed);
        return Enumerable.Range(0, count).Select(_ => (float)(random.NextDouble() - 0.5)).ToArray();
    }

    private static List<float[]> Animate(Voice voice, float[] audio, int chunk)
    {
        var frames = new List<float[]>();
        Frame frame;
        for (var at = 0; at < audio.Length;)
        {
            at += voice.Push(audio, at, Math.Min(chunk, audio.Length - at));
            while (voice.Pull(out frame)) frames.Add((float[])voice.Values.Clone());
        }
        voice.Finish();
        while (voice.Pull(out frame)) frames.Add((float[])voice.Values.Clone());
        return frames;
    }

    private static bool Same(List<float[]> one, List<float[]> other)
    {
        return one.Count == other.Count && one.Zip(other, (a, b) => a.SequenceEqual(b)).All(same => same);
    }

    private static void Model(string path)
    {
        using (var model = new Model(path))
        using (var copy = new Model(File.ReadAllBytes(path)))
        {
            Expect(model.Info.Kind == "stream" && model.Info.Student == "brook", "info");
            Expect(model.Info.HopSamples == 320 && model.Info.FutureSamples == 704, "samples");
            Expect(model.Info.CrowdVoices == 16 && model.Info.StateBytes > 0, "state");
            Expect(model.Info.ArtifactBytes == new FileInfo(path).Length, "size");
            Expect(model.Info.Sha256.Length == 64 && model.Info.Sha256 == copy.Info.Sha256, "hash");
            Expect(model.Channels == 52 && model.ChannelName(17) == "jawOpen", "names");
            Expect(model.ChannelIndex("jawOpen") == 17 && model.ChannelIndex("no") == -1, "index");
            Expect(model.ChannelRange(17).Minimum == -1 && model.ChannelRange(17).Maximum == 1, "range");
            using (var voice = new Voice(model, 48000))
            {
                var latency = voice.LatencyAt(480);
                Expect(latency.Future == 704 && latency.Grid > 0 && latency.Total > 1024, "latency");
            }
        }
    }

    private static void Refusals(string stream, string window)
    {
        Refused(Status.BadArgument, "path is null", () => new Model((string)null));
        Refused(Status.BadArgument, "artifact is null", () => new Model((byte[])null));
        Refused(Status.NoFile, "absent.pte", () => new Model("absent.pte"));
        var spoiled = File.ReadAllBytes(stream);
        spoiled[100] ^= 1;
        Refused(Status.BadFile, "SHA-256", () => new Model(spoiled));
        Refused(Status.BadFile, "", () => new Model(new byte[0]));
        using (var model = new Model(stream))
        using (var other = new Model(window))
        {
            Refused(Status.BadRate, "8000 to 96000", () => new Voice(model, 7000));
            Refused(Status.BadRate, "8000 to 96000", () => new Voice(model, -1));
            Refused(Status.BadArgument, "model is null", () => new Voice(null, 16000));
            Refused(Status.BadArgument, "1 to 8", () => new Voice(model, new VoiceConfig { RateHz = 16000, AudioChannels = 9 }));
            Refused(Status.Unsupported, "window student", () => new Crowd(other));
            using (var voice = new Voice(model, 16000))
            {
                var audio = Noise(1, 320);
                Refused(Status.BadArgument, "samples is null", () => voice.Push((float[])null, 0, 1));
                Refused(Status.BadArgument, "beyond the array", () => voice.Push(audio, 1, 320));
                Refused(Status.BadArgument, "beyond the array", () => voice.Push(audio, -1, 2));
                Refused(Status.BadArgument, "beyond the array", () => voice.Push(new short[2], int.MaxValue, int.MaxValue));
                Expect(voice.Push(audio, 320, 0) == 0 && voice.Push(new float[0], 0, 0) == 0, "nothing is fine");
                audio[7] = float.NaN;
                Refused(Status.BadAudio, "NaN", () => voice.Push(audio, 0, 320));
                Expect(voice.Push(audio, 0, 7) == 7, "what came before is good");
                voice.Finish();
                Refused(Status.Finished, "finished", () => voice.Push(audio, 0, 7));
                voice.Reset();
                Expect(voice.Push(audio, 0, 7) == 7, "reset");
                Refused(Status.BadArgument, "channel 52", () => voice.SetCurve(52, 1, 0, 0, 1));
                Refused(Status.BadArgument, "finite", () => voice.SetCurve(0, float.NaN, 0, 0, 1));
                Refused(Status.BadArgument, "chunks", () => voice.LatencyAt(0));
            }
            var closed = new Voice(model, 16000);
            closed.Dispose();
            closed.Dispose();
            try
            {
                closed.Finish();
                Expect(false, "a closed voice was used");
            }
            catch (ObjectDisposedException)
            {
            }
        }
    }

    private static void TakesAndCrowds(string path)
    {
        var model = new Model(path);
        var config = new VoiceConfig { RateHz = 16000, BufferSamples = 3200 };
        var voices = Enumerable.Range(0, 20).Select(_ => new Voice(model, config)).ToArray();
        model.Dispose(); // voices go on
        var wanted = voices.Select((voice, i) => Animate(voice, Noise(i, 16000), 160)).ToArray();
        Expect(wanted[0].Count == 30 && !Same(wanted[0], wanted[1]), "each voice hears its own");
        foreach (var voice in voices) voice.Reset();
        Expect(Same(Animate(voices[3], Noise(3, 16000), 5000), wanted[3]), "any chunking");
        voices[3].Reset();
        using (var again = new Model(path))
        {
            var others = Enumerable.Range(0, 20).Select(_ => new Voice(again, config)).ToArray();
            using (var crowd = new Crowd(again))
            {
                var frames = others.Select(_ => new List<float[]>()).ToArray();
                for (var at = 0; at <= 16000; at += 1600)
                {
                    for (var i = 0; i < others.Length; ++i)
                        if (at < 16000) others[i].Push(Noise(i, 16000), at, 1600);
                        else others[i].Finish();
                    Expect(crowd.Run(others, others.Length) >= 20, "hops ran");
                    for (var i = 0; i < others.Length; ++i)
                    {
                        Frame frame;
                        while (others[i].Pull(out frame)) frames[i].Add((float[])others[i].Values.Clone());
                    }
                }
                for (var i = 0; i < others.Length; ++i)
                {
                    Expect(frames[i].Count == 30, "a crowd gives every frame");
                    var worst = frames[i].Zip(wanted[i], (a, b) => a.Zip(b, (x, y) => Math.Abs(x - y)).Max()).Max();
                    Expect(worst < 1e-5, "a crowd is its voices: " + worst);
                }
                Refused(Status.BadArgument, "another fp_model", () => crowd.Run(voices, 1));
                Refused(Status.BadArgument, "shorter", () => crowd.Run(voices, 99));
            }
            foreach (var voice in others) voice.Dispose();
        }
        foreach (var voice in voices) voice.Dispose();
    }

    private static void TwoThreads(string path)
    {
        var audio = Noise(9, 96000);
        using (var model = new Model(path))
        using (var judge = new Voice(model, 48000))
        using (var voice = new Voice(model, new VoiceConfig { RateHz = 48000, BufferSamples = 4800 }))
        {
            var wanted = Animate(judge, audio, 480);
            var thread = new Thread(() =>
            {
                for (var at = 0; at < audio.Length;) at += voice.Push(audio, at, Math.Min(480, audio.Length - at));
                voice.Finish();
            });
            thread.Start();
            var frames = new List<float[]>();
            while (frames.Count < wanted.Count)
            {
                Frame frame;
                if (voice.Pull(out frame)) frames.Add((float[])voice.Values.Clone());
            }
            thread.Join();
            Expect(Same(frames, wanted), "pushed and pulled on two threads");
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static int Loop(Voice voice, float[] floats, short[] shorts, int rounds)
    {
        var frames = 0;
        Frame frame;
        for (var i = 0; i < rounds; ++i)
        {
            voice.Push(floats, 0, floats.Length);
            voice.Push(shorts, 0, shorts.Length);
            while (voice.Pull(out frame)) ++frames;
        }
        return frames;
    }

    private static void NoGarbage(string path)
    {
        using (var model = new Model(path))
        using (var voice = new Voice(model, 16000))
        {
            float[] floats = Noise(1, 160);
            var shorts = new short[160];
            Loop(voice, floats, shorts, 100);
            GC.Collect();
            var before = GC.CollectionCount(0);
            Expect(Loop(voice, floats, shorts, 20000) > 11000, "frames came");
            Expect(GC.CollectionCount(0) == before, "the loop made garbage");
            for (var i = 0; i < 20000; ++i) GC.KeepAlive(new byte[512]);
            Expect(GC.CollectionCount(0) > before, "512 bytes a round would have been noticed");
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Open(string path, bool dispose)
    {
        var model = new Model(path);
        var voice = new Voice(model, 48000);
        Animate(voice, new float[4800], 480);
        var crowd = model.Info.Kind == "stream" ? new Crowd(model) : null;
        if (!dispose) return;
        if (crowd != null) crowd.Dispose();
        voice.Dispose();
        model.Dispose();
    }

    private static void NoLeak(string path, bool dispose)
    {
        for (var i = 0; i < 20; ++i) Open(path, dispose);
        var early = HeapBytes();
        for (var i = 0; i < 60; ++i) Open(path, dispose);
        var grown = HeapBytes() - early;
        var one = new FileInfo(path).Length / 2; // a voice, or a copy of the weights, is more than this
        Expect(grown < 4 * one, "60 rounds left " + grown + " bytes behind");
        var held = new List<Model>();
        for (var i = 0; i < 60; ++i) held.Add(new Model(path));
        Expect(HeapBytes() - early > 6 * one, "a leak would have been noticed");
        foreach (var model in held) model.Dispose();
    }

    private static int Main(string[] words)
    {
        string stream = words[0], window = words[1];
        Model(stream);
        Console.WriteLine("model");
        Refusals(stream, window);
        Console.WriteLine("refusals");
        TakesAndCrowds(stream);
        Console.WriteLine("takes and crowds");
        foreach (var path in new[] { stream, window }) TwoThreads(path);
        Console.WriteLine("two threads");
        foreach (var path in new[] { stream, window }) NoGarbage(path);
        Console.WriteLine("no garbage");
        foreach (var path in new[] { stream, window })
            foreach (var dispose in new[] { true, false })
                NoLeak(path, dispose);
        Console.WriteLine("no leak");
        return 0;
    }
}
